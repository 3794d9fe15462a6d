import math
from dataclasses import replace

import numpy as np
import pytest

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.search.searchers.local_search import LocalSearch
from ean_search.search.searchers.model_searcher import attachment_penalties
from ean_search.search.searchers.registry import make_searcher
from ean_search.testing.toy import ToyLandscape, price
from ean_search.utils.errors import UserError

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(3, 4, 6, 3))
MIXED = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 2))
TOY = ToyLandscape(SPACE)
NAMED = list(dict.fromkeys(SPACE.named.values()))
MODEL_SEARCHERS = ["reinforce", "surrogate"]


def trial(placement, shift=0.0, **changes):
    found = TOY.trial(placement)
    return replace(found, accuracy=found.accuracy + shift, **changes)


@pytest.mark.parametrize("name", MODEL_SEARCHERS)
def test_what_has_no_accuracy_is_not_modelled_and_not_proposed_again(name, rng):
    searcher = make_searcher(name, TOY.problem, initial=1)
    failed = TOY.trial(SPACE.named["none"], 0, 0, "failed")
    searcher.tell([failed, replace(failed, placement=SPACE.named["all"], accuracy=math.nan)])
    assert not searcher.measured
    assert not {SPACE.named["none"], SPACE.named["all"]} & set(searcher.ask(20, rng))


@pytest.mark.parametrize("name", MODEL_SEARCHERS)
def test_placements_beyond_the_limits_teach_but_are_not_proposed(name, rng):
    problem = Problem(MIXED, Objective.parse("accuracy", "sites <= 1"), price)
    searcher, landscape = make_searcher(name, problem, initial=1), ToyLandscape(MIXED)
    beyond = [landscape.trial(MIXED.named[key]) for key in ("all", "all-eca")]
    searcher.tell([replace(trial, status="infeasible") for trial in beyond])
    assert len(searcher.measured) == 2
    assert all(placement.attached <= 1 for placement in searcher.ask(4, rng))


@pytest.mark.parametrize("name", MODEL_SEARCHERS)
def test_no_placement_is_proposed_twice_until_all_are_known(name):
    landscape = ToyLandscape(MIXED)
    searcher, seen = make_searcher(name, landscape.problem), []
    for step in range(MIXED.size // 3):
        cohort = searcher.ask(3, np.random.default_rng(step))
        searcher.tell([landscape.trial(placement) for placement in cohort])
        seen += cohort
    assert len(set(seen)) == MIXED.size


def test_luck_is_not_recommended(rng):
    gained = []
    for _ in range(5):
        searcher, trials = make_searcher("reinforce", TOY.problem), []
        for number in range(120):
            found = TOY.trial(SPACE.sample(rng), number)
            error = 0.1 * rng.normal()
            measured = {"accuracy": found.accuracy + error, "reward": found.reward + error}
            trials.append(replace(found, standard_error=0.1, **measured))
        searcher.tell(trials)
        best = max(trials, key=lambda t: t.reward)
        chosen = searcher.recommend(trials)
        gained.append(TOY.accuracy(chosen.placement) - TOY.accuracy(best.placement))
    assert np.mean(gained) > 0.005


def test_without_errors_the_best_measurement_is_recommended(rng):
    searcher = make_searcher("reinforce", TOY.problem)
    trials = [TOY.trial(SPACE.sample(rng), number) for number in range(20)]
    searcher.tell(trials)
    assert searcher.recommend(trials) == max(trials, key=lambda t: t.reward)


@pytest.mark.parametrize("name", MODEL_SEARCHERS)
def test_another_runs_trials_teach_after_what_both_runs_know(name, rng):
    searcher = make_searcher(name, TOY.problem)
    others = [trial(p, 0.1) for p in {*NAMED, *(SPACE.sample(rng) for _ in range(150))}]
    searcher.warm_start(others)
    assert not len(searcher.model)
    searcher.tell([trial(placement) for placement in NAMED])
    proposals = searcher.ask(2, np.random.default_rng(0))
    assert len(searcher.model) == len(others) + len(NAMED)
    best = 0.5 + np.maximum(0, TOY.gains[:, 1]).sum()
    assert max(map(TOY.accuracy, proposals)) == pytest.approx(best, abs=0.01)
    seen_elsewhere = max(others, key=lambda t: t.accuracy).placement
    assert searcher.filter.accepts(seen_elsewhere) or seen_elsewhere in proposals
    assert searcher.recommend([trial(p) for p in NAMED]).placement in NAMED


def test_searchers_without_a_model_refuse_another_runs_trials():
    with pytest.raises(UserError, match="LocalSearch cannot use another run's trials"):
        LocalSearch(TOY.problem).warm_start([TOY.trial(SPACE.named["all"])])


def test_penalties_are_what_single_attachments_cost():
    problem = Problem(MIXED, Objective.parse("accuracy - 0.4 sites"), price)
    assert attachment_penalties(problem) == pytest.approx(np.array([[0, 0.1, 0.1]] * 4))
