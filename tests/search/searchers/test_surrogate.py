import math
from dataclasses import replace

import numpy as np
import pytest

from ean_search.bench.synthetic import Landscape
from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.pairwise_model import Model, Quadratic
from ean_search.search.searchers.surrogate import Surrogate
from ean_search.search.trial_log import InMemoryTrialLog
from ean_search.testing.toy import Toy, price

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(3, 4, 6, 3))
MIXED = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 2))
TOY = Toy(SPACE)


def tried(searcher, toy, problem, steps):
    """Play cohorts of four and return all trials, rewards as the problem says."""
    told = []
    for step in range(steps):
        trials = [
            toy.trial(placement, 0, step, "done")
            for placement in searcher.ask(4, np.random.default_rng((0, step)))
        ]
        trials = [replace(t, reward=problem.reward(t.accuracy, t.cost)) for t in trials]
        searcher.tell(trials)
        told += trials
    return told


def test_gains_are_differences_of_values(rng):
    pairs = rng.normal(size=(4, 3, 4, 3))
    pairs[np.arange(4), :, np.arange(4), :] = 0
    pairs = pairs + pairs.transpose(2, 3, 0, 1)
    function, here = Quadratic(0.3, rng.normal(size=(4, 3)), pairs), np.array([0, 2, 1, 1])
    gains = function.gains(here)
    for site, choice in np.ndindex(4, 3):
        there = here.copy()
        there[site] = choice
        difference = function.value(there) - function.value(here)
        assert gains[site, choice] == pytest.approx(difference)


@pytest.mark.parametrize(("sites", "choices"), [(8, 2), (5, 3)])
def test_the_model_learns_pairs_and_its_draws_agree_where_it_knows(sites, choices, rng):
    truth = rng.normal(size=(sites, choices))
    bend = rng.normal(size=(choices, choices))
    tried = rng.integers(0, choices, size=(160, sites))

    def accuracy(placements):
        single = truth[np.arange(sites), placements].sum(axis=1)
        return 0.7 + 0.01 * (single + bend[placements[:, 0], placements[:, 3]])

    model = Model(sites, choices)
    for _ in range(12):  # a fit moves the scales by one step
        model.fit(tried, accuracy(tried))
    unseen = rng.integers(0, choices, size=(30, sites))
    for spread, within in ((0.0, 0.004), (1.0, 0.02)):
        function = model.draw(rng, spread)
        found = np.array([function.value(choices) for choices in unseen])
        assert np.abs(found - accuracy(unseen)).max() < within


def test_the_less_is_known_the_more_draws_differ(rng):
    tried = rng.integers(0, 2, size=(200, 8))
    accuracies = 0.7 + 0.01 * tried.sum(axis=1)
    spreads = []
    for count in (5, 200):
        model = Model(8, 2)
        model.fit(tried[:count], accuracies[:count])
        spreads.append(np.std([model.draw(rng).value(1 - tried[0]) for _ in range(50)]))
    assert spreads[0] > 3 * spreads[1]


def test_it_finds_the_best_of_a_pairwise_landscape():
    landscape, store = Landscape(16, 0), InMemoryTrialLog()
    settings = SearchSettings(budget=120, cohort=4)
    run_search(landscape.problem, Surrogate(landscape.problem), landscape, store, settings)
    found = max(landscape.reward(trial.placement) for trial in store.trials)
    assert found == pytest.approx(landscape.ends[1], abs=1e-3)


def test_what_attachments_cost_is_known_and_not_learnt():
    problem = Problem(SPACE, Objective.parse("accuracy - 0.5 sites"), price)
    told = tried(Surrogate(problem), TOY, problem, 8)
    toll = 0.5 / SPACE.sites
    best = 0.5 + np.maximum(0, TOY.gains[:, 1] - toll).sum()
    assert max(trial.reward for trial in told) == pytest.approx(best)


def test_limits_hold_and_the_best_within_them_is_found():
    problem = Problem(SPACE, Objective.parse("accuracy", "sites <= 3"), price)
    told = tried(Surrogate(problem), TOY, problem, 12)
    assert all(trial.cost.sites <= 3 for trial in told)
    assert len({trial.placement for trial in told}) == len(told)
    best = 0.5 + np.sort(TOY.gains[:, 1])[-3:].sum()
    assert max(trial.accuracy for trial in told) == pytest.approx(best)


def test_placements_beyond_the_limits_teach_but_are_no_starts(rng):
    problem = Problem(MIXED, Objective.parse("accuracy", "sites <= 1"), price)
    toy, searcher = Toy(MIXED), Surrogate(problem, initial=1)
    searcher.tell([replace(toy.trial(MIXED.named["all"], 0, 0, "done"), status="infeasible")])
    assert all(placement.attached <= 1 for placement in searcher.ask(4, rng))


def test_what_has_no_accuracy_is_not_modelled(rng):
    searcher = Surrogate(TOY.problem, initial=1)
    failed = TOY.trial(SPACE.named["none"], 0, 0, "failed")
    searcher.tell([failed, replace(failed, placement=SPACE.named["all"], accuracy=math.nan)])
    assert not {SPACE.named["none"], SPACE.named["all"]} & set(searcher.ask(20, rng))
