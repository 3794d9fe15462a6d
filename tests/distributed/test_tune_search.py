"""Our searchers as Ray's: the same proposals, and a state that can be saved."""

import json
import pickle
import time

import pytest
from ray.tune.search import Searcher

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.core.trial import EvaluationResult
from ean_search.distributed.tune_search import PlacementSearch
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.registry import make_searcher
from ean_search.search.trial_log import TrialLog
from ean_search.testing.toy import price
from ean_search.utils.errors import UserError
from tests.helpers import load_script

SPACE = Space(name="toy", backbone="x", attention="se", stages=(3, 4))
PROBLEM = Problem(SPACE, Objective.parse("accuracy - 0.02 latency"), price)
PLAY_DEADLINE_SECONDS = 60.0
SETTINGS = {"budget": 20, "cohort": 6, "seed": 3}


def accuracy(placement):
    return 0.5 + sum(0.01 * (site - 2) * c for site, c in enumerate(placement.choices))


class Formula:
    def evaluate(self, placements):
        for placement in placements:
            yield EvaluationResult(accuracy(placement), 0.0)


def loop_history(path, name):
    log = TrialLog(path, SPACE)
    run_search(PROBLEM, make_searcher(name, PROBLEM), Formula(), log, SearchSettings(**SETTINGS))
    return [trial.to_json() for trial in log.trials]


def play(searcher, trials, running=()):
    """Act as Tune with three workers does: the last trial started is the first to end."""
    running, number = list(running), len(running)
    deadline = time.monotonic() + PLAY_DEADLINE_SECONDS
    while trials:
        assert time.monotonic() < deadline, "the search gives no placement and no end"
        trial_id = f"{id(searcher)}-{number}"
        config = searcher.suggest(trial_id) if len(running) < 3 else None
        if config == Searcher.FINISHED:
            break
        if config is not None:
            running.append((trial_id, config["placement"]))
            number += 1
        elif running:
            trial_id, text = running.pop()
            searcher.on_trial_complete(trial_id, {"accuracy": accuracy(SPACE.parse(text))})
            trials -= 1
    return running


@pytest.mark.parametrize("name", ["random", "surrogate", "optuna-nsga2"])
def test_trials_are_those_of_the_loop(tmp_path, name):
    searcher = PlacementSearch(PROBLEM, name, **SETTINGS)
    play(searcher, 1000)
    assert [trial.to_json() for trial in searcher.trials] == loop_history(tmp_path / "t", name)


@pytest.mark.parametrize("stop", [1, 9, 14])
def test_a_restored_search_goes_on_where_it_was(tmp_path, stop):
    first = PlacementSearch(PROBLEM, "surrogate", **SETTINGS)
    running = play(first, stop)
    first.save(str(tmp_path / "state"))
    second = PlacementSearch(PROBLEM, "surrogate", **SETTINGS)
    second.restore(str(tmp_path / "state"))
    assert len(json.loads((tmp_path / "state").read_text())["live"]) == len(running)
    play(second, 1000, running)
    expected = loop_history(tmp_path / "t", "surrogate")
    assert [trial.to_json() for trial in second.trials] == expected


def test_failed_trials_are_recorded_as_such():
    searcher = PlacementSearch(PROBLEM, "random", **SETTINGS)
    config = searcher.suggest("a")
    searcher.on_trial_complete("a", error=True)
    play(searcher, 1000)
    failed = [trial for trial in searcher.trials if trial.status == "failed"]
    assert [str(trial.placement) for trial in failed] == [config["placement"]]


def test_it_can_be_pickled():
    searcher = PlacementSearch(PROBLEM, "random", **SETTINGS)
    running = play(searcher, 5)
    copy = pickle.loads(pickle.dumps(searcher))
    assert copy._state() == searcher._state()
    play(copy, 1000, running)
    assert len(copy.trials) == SETTINGS["budget"]


def test_an_unknown_searcher_is_refused_at_once():
    with pytest.raises(UserError, match="did you mean 'random'"):
        PlacementSearch(PROBLEM, "randon")


@pytest.mark.slow
def test_the_example_runs_with_our_searcher_and_rays(ray_here):
    example = load_script("ray_tune")
    for results in example.main(trials=5).values():
        assert len(results) == 5
        assert not results.errors
        assert all("placement" in result.metrics for result in results)
