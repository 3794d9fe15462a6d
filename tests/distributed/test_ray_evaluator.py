"""Searches with Ray workers: the same history as without, whatever happens to the workers."""

import json
import time

import pytest

from ean_search.bench.fault_injection import WorkerKiller
from ean_search.bench.ray_overhead import make_untrained_evaluator
from ean_search.core.objective import Objective, Problem
from ean_search.core.space import load_space
from ean_search.distributed.config import Workers
from ean_search.distributed.jobs import SharedJob
from ean_search.distributed.ray_evaluator import RayEvaluator
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.registry import make_searcher
from ean_search.search.trial_log import TrialLog
from ean_search.testing.toy import price

pytestmark = pytest.mark.slow

WORKERS = Workers(count=2, cpus=1, max_failures=2)
KILL_DEADLINE_SECONDS = 120.0


@pytest.fixture(scope="module")
def plain(one_thread):
    """Evaluate a network whose placements differ in their scores."""
    return make_untrained_evaluator(load_space("tiny"), 200, 32)


@pytest.fixture(scope="module")
def evaluator(plain, ray_here, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with RayEvaluator(SharedJob.of(plain), load_space("tiny"), WORKERS, folder) as evaluator:
        yield evaluator


def accuracies(evaluator, space):
    return [result.accuracy for result in evaluator.evaluate(space.enumerate())]


def history(path, evaluator, searcher):
    problem = Problem(load_space("tiny"), Objective.parse("accuracy - 0.02 latency"), price)
    log = TrialLog(path, problem.space)
    run_search(problem, make_searcher(searcher, problem), evaluator, log, SearchSettings(14, 5))
    return [json.loads(trial.to_json()) | {"seconds": 0} for trial in log.trials]


@pytest.mark.parametrize("searcher", ["reinforce", "surrogate", "optuna-nsga2"])
def test_the_history_is_that_of_one_process(plain, evaluator, tmp_path, searcher):
    alone = history(tmp_path / "alone", plain, searcher)
    assert history(tmp_path / "workers", evaluator, searcher) == alone


def test_a_killed_worker_loses_nothing(plain, evaluator, tiny):
    expected = accuracies(plain, tiny)
    before = evaluator.callback.retries
    deadline = time.monotonic() + KILL_DEADLINE_SECONDS
    with WorkerKiller(1):
        while evaluator.callback.retries == before:
            assert time.monotonic() < deadline, "no worker was killed"
            assert accuracies(evaluator, tiny) == expected
    assert accuracies(evaluator, tiny) == expected


def test_results_are_where_ray_users_look(evaluator, tiny):
    assert len(set(accuracies(evaluator, tiny))) > 3
    assert len(list(evaluator.folder.glob("tensorboard/tune/events*"))) == 1
    assert evaluator.folder.joinpath("tune-1", "tuner.pkl").is_file()
