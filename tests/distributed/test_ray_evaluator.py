"""Searches with Ray workers: the same history as without, whatever happens to the workers."""

import json

import pytest

from ean_search.bench.fault_injection import WorkerKiller
from ean_search.bench.ray_overhead import make_plain
from ean_search.core.objective import Objective, Problem
from ean_search.core.space import load_space
from ean_search.core.trial import Cost
from ean_search.distributed.config import Workers
from ean_search.distributed.jobs import SharedJob
from ean_search.distributed.ray_evaluator import RayEvaluator
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.registry import make_searcher
from ean_search.search.trial_log import TrialLog

WORKERS = Workers(count=2, cpus=1, max_failures=2)


def price(placement):
    n = placement.attached
    return Cost(n, 100 + n, 1000, 1000 + n, 10.0 + 0.5 * n, 0)


@pytest.fixture(scope="module")
def plain(one_thread):
    """Evaluate a network whose placements differ in their scores."""
    return make_plain(load_space("tiny"), 200, 32)


@pytest.fixture(scope="module")
def crew(plain, ray_here, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with RayEvaluator(SharedJob.of(plain), load_space("tiny"), WORKERS, folder) as crew:
        yield crew


def history(path, evaluator, searcher):
    problem = Problem(load_space("tiny"), Objective.parse("accuracy - 0.02 latency"), price)
    store = TrialLog(path, problem.space)
    run_search(problem, make_searcher(searcher, problem), evaluator, store, SearchSettings(14, 5))
    return [json.loads(trial.to_json()) | {"seconds": 0} for trial in store.trials]


@pytest.mark.parametrize("searcher", ["reinforce", "surrogate", "optuna-nsga2"])
def test_the_history_is_that_of_one_process(plain, crew, tmp_path, searcher):
    alone = history(tmp_path / "alone", plain, searcher)
    assert history(tmp_path / "crew", crew, searcher) == alone


def test_a_killed_worker_loses_nothing(plain, crew, tiny):
    expected = [measured.accuracy for measured in plain.evaluate(tiny.enumerate())]
    before = crew.inbox.retries
    with WorkerKiller(1):
        while crew.inbox.retries == before:
            assert [m.accuracy for m in crew.evaluate(tiny.enumerate())] == expected
    assert [m.accuracy for m in crew.evaluate(tiny.enumerate())] == expected


def test_results_are_where_ray_users_look(crew, tiny):
    found = [measured.accuracy for measured in crew.evaluate(tiny.enumerate())]
    assert len(set(found)) > 3
    assert len(list(crew.folder.glob("tensorboard/tune/events*"))) == 1
    assert crew.folder.joinpath("tune-1", "tuner.pkl").is_file()
