"""The searcher that starts placeholders, and the callback that collects how trials end."""

import pickle
from itertools import count
from types import SimpleNamespace

import pytest
from ray.tune.search import Searcher

from ean_search.distributed.tune_adapters import (
    ChunkOutcome,
    PlaceholderSearcher,
    ResultCallback,
)


def make_searcher(workers=2, max_trials=100):
    return PlaceholderSearcher(workers, count(5), max_trials)


def test_there_is_a_placeholder_for_every_idle_worker():
    searcher = make_searcher(workers=2)
    suggestions = [searcher.suggest(trial) for trial in ("a", "b", "c")]
    assert suggestions == [{"ticket": 5}, {"ticket": 6}, None]
    searcher.on_trial_complete("a")
    assert searcher.suggest("c") == {"ticket": 7}


def test_a_tuner_ends_after_its_trials_or_when_it_is_closed():
    searcher = make_searcher(max_trials=1)
    searcher.suggest("a")
    assert searcher.suggest("b") == Searcher.FINISHED
    searcher = make_searcher()
    searcher.closed = True
    assert searcher.suggest("a") == Searcher.FINISHED


@pytest.fixture
def trial(tmp_path):
    folder = tmp_path / "tuner" / "trial-5"
    folder.mkdir(parents=True)
    error = RuntimeError("frames of Ray's")
    error.cause = ValueError("\nthe reason\nmore")
    return SimpleNamespace(
        trial_id="a",
        config={"ticket": 5},
        local_path=str(folder),
        checkpoint=None,
        last_result={"node_ip": "here", "pid": 2, "accuracy": 0.5},
        get_error=lambda: error,
    )


def outcomes_of(callback):
    return [callback.outcomes.get_nowait() for _ in range(callback.outcomes.qsize())]


def test_each_report_or_only_the_last_one_is_a_result(trial):
    first = {"node_ip": "here", "pid": 1, "accuracy": 0.4}
    for every, expected in ((True, first), (False, trial.last_result)):
        callback = ResultCallback(make_searcher(), every_report=every)
        callback.on_trial_result(1, [], trial, first)
        callback.on_trial_complete(2, [], trial)
        assert outcomes_of(callback) == [ChunkOutcome(5, expected)]
        assert callback.worker_processes == {("here", expected["pid"])}


def test_the_files_of_a_trial_go_with_it(trial, tmp_path):
    callback = ResultCallback(make_searcher(), every_report=True)
    callback.on_trial_complete(1, [], trial)
    assert not (tmp_path / "tuner" / "trial-5").exists()
    assert callback.staging_folder == tmp_path / "tuner"


def test_no_new_trial_starts_while_one_waits_for_another_worker(trial):
    searcher = make_searcher(workers=2)
    callback = ResultCallback(searcher, every_report=True)
    searcher.suggest("a")
    callback.on_trial_recover(1, [], trial)
    assert callback.retries == 1
    assert outcomes_of(callback) == [ChunkOutcome(5, None, "the reason")]
    assert searcher.suggest("b") is None
    callback.on_trial_start(2, [], trial)
    assert searcher.suggest("b") == {"ticket": 6}


def test_a_trial_that_will_not_start_again_has_an_error(trial):
    callback = ResultCallback(make_searcher(), every_report=True)
    callback.on_trial_error(1, [], trial)
    assert outcomes_of(callback) == [ChunkOutcome(5, None, "the reason")]
    assert callback.retries == 0


def test_tune_can_write_both_down():
    callback = ResultCallback(make_searcher(), every_report=True)  # its queue holds a lock
    for value in (callback, make_searcher()):
        assert type(pickle.loads(pickle.dumps(value))) is type(value)
