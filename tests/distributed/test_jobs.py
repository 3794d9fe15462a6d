"""Jobs: what reaches a worker evaluates as the evaluator of this process does."""

import pickle

import pytest

from ean_search.core.space import load_space
from ean_search.distributed.jobs import SharedJob, TrainingJob, job_of
from ean_search.evaluation.precision import Precision
from ean_search.evaluation.racing import RacingRule
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.evaluation.standalone import StandaloneEvaluator
from ean_search.training.recipe import Recipe
from tests.helpers import blobs


def no_cost(placement):
    return 0.0


@pytest.fixture
def shared(tiny_network):
    return SharedWeightsEvaluator(tiny_network, blobs(20, 0), 10, calibration=blobs(8, 1).images)


@pytest.fixture
def standalone(tmp_path):
    recipe, folder = Recipe(epochs=2, batch_size=16), tmp_path / "training"
    return StandaloneEvaluator(load_space("tiny"), 3, blobs(32, 0), blobs(30, 1), recipe, folder)


def test_a_shared_job_gives_the_evaluators_results(tiny, shared, tmp_path):
    cohort = tiny.enumerate()
    job = pickle.loads(pickle.dumps(SharedJob.of(shared))).prepare("cpu")
    expected = [result.accuracy for result in shared.evaluate(cohort)]
    assert [result.accuracy for result in job.measure(cohort, 1, tmp_path)] == expected


def test_workers_that_share_a_device_walk_with_fewer_images(shared):
    size = shared.walk_batch_size
    assert SharedJob.of(shared).walk_batch_size == size
    assert SharedJob.of(shared, 0.5).walk_batch_size == size // 2
    assert SharedJob.of(shared, 2.0).walk_batch_size == size
    # In a race the images between two looks are a part of the result.
    assert SharedJob.of(shared, 0.5, RacingRule(no_cost)).walk_batch_size == size


def test_a_cohort_that_races_stays_whole(tiny, shared):
    cohort = tiny.enumerate()
    plain, racing = SharedJob.of(shared), SharedJob.of(shared, 1.0, RacingRule(no_cost))
    assert (plain.joint, racing.joint) == (False, True)
    assert len(plain.cut(cohort, 2)) == 2
    assert [sorted(part) for part in racing.cut(cohort, 2)] == [list(range(len(cohort)))]


def test_workers_compute_in_the_same_precision(tiny_network):
    precision = Precision(precision="bfloat16", channels_last=True)
    evaluator = SharedWeightsEvaluator(tiny_network, blobs(20, 0), precision=precision)
    assert SharedJob.of(evaluator).prepare("cpu").evaluator.precision == precision


def test_a_training_job_advances_epoch_by_epoch(tiny, standalone, tmp_path, one_thread):
    placement = tiny.parse("1010")
    (expected,) = standalone.evaluate([placement])
    job = TrainingJob.of(standalone).prepare("cpu")
    assert (job.rounds, job.cut([placement] * 3, 2)) == (2, [[0], [1], [2]])
    (first,), (second,) = (job.measure([placement], epoch, tmp_path) for epoch in (1, 2))
    assert (first.stopped, second.stopped) == (True, False)
    assert second.accuracy == expected.accuracy


def test_every_evaluator_has_its_job(shared, standalone):
    assert isinstance(job_of(shared), SharedJob)
    assert isinstance(job_of(standalone), TrainingJob)
