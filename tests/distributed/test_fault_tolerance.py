"""Faults in workers: a chunk is tried again, then recorded as failed, and the search goes on."""

import os
import signal
import threading
import time
from dataclasses import dataclass

import psutil
import pytest

from ean_search.bench.fault_injection import WORKER_PROCESS_NAME
from ean_search.core.space import load_space
from ean_search.core.trial import EvaluationResult
from ean_search.distributed.chunking import cut_cohort
from ean_search.distributed.config import Workers
from ean_search.distributed.jobs import TrainingJob
from ean_search.distributed.ray_evaluator import RayEvaluator
from ean_search.evaluation.standalone import StandaloneEvaluator
from ean_search.training.recipe import Recipe
from ean_search.utils.errors import UserError
from tests.helpers import blobs

pytestmark = pytest.mark.slow

POISON = (1, 1, 1, 1)
KILL_DEADLINE_SECONDS = 120.0


@dataclass(frozen=True)
class Poisonous:
    """A job whose worker is killed by the evaluation of one placement."""

    joint = False
    rounds = 1

    def cut(self, placements, workers):
        return cut_cohort(placements, workers)

    def prepare(self, device):
        return self

    def measure(self, chunk, number, folder):
        if any(placement.choices == POISON for placement in chunk):
            os.kill(os.getpid(), signal.SIGKILL)
        return [EvaluationResult(placement.attached / 10, 0.0) for placement in chunk]


def test_a_placement_that_kills_its_workers_fails_alone(ray_here, tmp_path):
    space, workers = load_space("tiny"), Workers(count=1, cpus=1, max_failures=0)
    placements = [space.parse(text) for text in ("0000", "1110", "1111", "1000")]
    with RayEvaluator(Poisonous(), space, workers, tmp_path) as evaluator:
        results = list(evaluator.evaluate(placements))
        again = list(evaluator.evaluate(placements[:2]))
    assert [result.accuracy for result in results] == [0.0, 0.3, None, 0.1]
    assert "its worker died 1 times" in results[2].note
    assert [result.accuracy for result in again] == [0.0, 0.3]


@dataclass(frozen=True)
class Unreadable(Poisonous):
    """A job whose data cannot be read."""

    def measure(self, chunk, number, folder):
        raise UserError("cannot read the image 7")


def test_an_error_that_the_user_can_mend_ends_the_search(ray_here, tmp_path, tiny):
    with (
        pytest.raises(UserError, match="cannot read the image 7"),
        RayEvaluator(Unreadable(), tiny, Workers(count=1, cpus=1), tmp_path) as evaluator,
    ):
        list(evaluator.evaluate([tiny.named["none"]]))


@pytest.fixture(scope="module")
def trainer(one_thread, tmp_path_factory):
    """Train for three short epochs."""
    recipe = Recipe(epochs=3, batch_size=16, lr=0.003)
    folder = tmp_path_factory.mktemp("alone") / "training"
    return StandaloneEvaluator(load_space("tiny"), 3, blobs(400, 0), blobs(60, 1), recipe, folder)


def test_a_killed_training_goes_on_and_ends_as_if_nothing_had_happened(ray_here, trainer, tmp_path):
    cohort = [trainer.space.parse(text) for text in ("0000", "1111")]
    expected = [result.accuracy for result in trainer.evaluate(cohort)]
    assert not trainer.folder.exists()
    killed = []
    killer = threading.Thread(target=kill_a_trained_worker, args=(tmp_path, killed))
    killer.start()
    with RayEvaluator(
        TrainingJob.of(trainer), trainer.space, Workers(count=2, cpus=1), tmp_path
    ) as evaluator:
        results = list(evaluator.evaluate(cohort))
    killer.join()
    assert killed, "no training had a checkpoint in time"
    assert [result.accuracy for result in results] == expected
    assert evaluator.callback.retries == 1
    assert not (tmp_path / "training").exists()
    assert not list(tmp_path.glob("tune-1/trial-*/checkpoint*"))


def kill_a_trained_worker(folder, killed):
    """Kill a worker once a training has its first checkpoint."""
    deadline = time.monotonic() + KILL_DEADLINE_SECONDS
    while not list(folder.glob("training/*.checkpoint")):
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)
    processes = psutil.Process().children(recursive=True)
    worker = next(process for process in processes if WORKER_PROCESS_NAME in process.name())
    worker.kill()
    killed.append(worker.pid)
