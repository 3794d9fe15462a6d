"""What goes wrong in workers: it is tried again, then recorded, and the search goes on."""

import os
import signal
import threading
import time
from dataclasses import dataclass

import psutil
import pytest

from ean_search.bench.fault_injection import TITLE
from ean_search.core.space import load_space
from ean_search.core.trial import EvaluationResult
from ean_search.distributed.chunking import cut
from ean_search.distributed.cluster import check_room
from ean_search.distributed.config import Workers
from ean_search.distributed.jobs import TrainingJob
from ean_search.distributed.ray_evaluator import RayEvaluator
from ean_search.distributed.schedulers import make_scheduler
from ean_search.evaluation.standalone import StandaloneEvaluator
from ean_search.training.trainer import Recipe
from ean_search.utils.errors import UserError
from tests.blobs import blobs

POISON = (1, 1, 1, 1)


@dataclass(frozen=True)
class Poisonous:
    """A job that one placement's evaluation kills the worker of."""

    joint = False
    rounds = 1

    def cut(self, placements, workers):
        return cut(placements, workers)

    def prepare(self, device):
        return self

    def measure(self, chunk, number, folder):
        if any(placement.choices == POISON for placement in chunk):
            os.kill(os.getpid(), signal.SIGKILL)
        return [EvaluationResult(placement.attached / 10, 0.0) for placement in chunk]


def test_what_kills_its_workers_is_recorded_and_costs_no_other_placement(ray_here, tmp_path):
    space, workers = load_space("tiny"), Workers(count=1, cpus=1, max_failures=0)
    placements = [space.parse(text) for text in ("0000", "1110", "1111", "1000")]
    with RayEvaluator(Poisonous(), space, workers, tmp_path) as crew:
        found = list(crew.evaluate(placements))
        again = list(crew.evaluate(placements[:2]))
    assert [measured.accuracy for measured in found] == [0.0, 0.3, None, 0.1]
    assert "its worker died 1 times" in found[2].note
    assert [measured.accuracy for measured in again] == [0.0, 0.3]


@dataclass(frozen=True)
class Unreadable(Poisonous):
    """A job whose data cannot be read."""

    def measure(self, chunk, number, folder):
        raise UserError("cannot read the image 7")


def test_what_the_user_can_mend_ends_the_search(ray_here, tmp_path, tiny):
    with (
        pytest.raises(UserError, match="cannot read the image 7"),
        RayEvaluator(Unreadable(), tiny, Workers(count=1, cpus=1), tmp_path) as crew,
    ):
        list(crew.evaluate([tiny.named["none"]]))


@pytest.fixture(scope="module")
def trainer(one_thread, tmp_path_factory):
    """Train for three short epochs."""
    recipe = Recipe(epochs=3, batch_size=16, lr=0.003)
    folder = tmp_path_factory.mktemp("alone") / "training"
    return StandaloneEvaluator(load_space("tiny"), 3, blobs(400, 0), blobs(60, 1), recipe, folder)


def test_a_killed_training_goes_on_and_ends_as_if_nothing_had_happened(ray_here, trainer, tmp_path):
    cohort = [trainer.space.parse(text) for text in ("0000", "1111")]
    expected = [measured.accuracy for measured in trainer.evaluate(cohort)]
    assert not trainer.folder.exists()
    killer = threading.Thread(target=kill_a_trained_worker, args=(tmp_path,))
    killer.start()
    with RayEvaluator(
        TrainingJob.of(trainer), trainer.space, Workers(count=2, cpus=1), tmp_path
    ) as crew:
        found = list(crew.evaluate(cohort))
    killer.join()
    assert [measured.accuracy for measured in found] == expected
    assert crew.inbox.retries == 1
    assert not (tmp_path / "training").exists()
    assert not list(tmp_path.glob("tune-1/trial-*/checkpoint*"))


def kill_a_trained_worker(folder):
    """Kill a worker once a training has its first checkpoint."""
    while not list(folder.glob("training/*.checkpoint")):
        time.sleep(0.01)
    below = psutil.Process().children(recursive=True)
    next(process for process in below if TITLE in process.name()).kill()


def test_workers_that_fit_nowhere_are_refused(ray_here):
    with pytest.raises(UserError, match="fits on no node"):
        check_room(Workers(count=1, cpus=1000))


def test_schedulers_are_known_by_name():
    assert type(make_scheduler("asha", 3)).__name__ == "AsyncHyperBandScheduler"
    assert type(make_scheduler("asha", 1)).__name__ == "FIFOScheduler"
    with pytest.raises(UserError, match="did you mean 'hyperband'"):
        make_scheduler("hyperbnd", 3)
