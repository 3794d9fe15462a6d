from dataclasses import replace

import numpy as np
import pytest

from ean_search.bench.synthetic import Landscape
from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.surrogate import Surrogate
from ean_search.search.trial_log import InMemoryTrialLog
from ean_search.testing.toy import ToyLandscape, price

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(3, 4, 6, 3))
TOY = ToyLandscape(SPACE)


def search(searcher, landscape, problem, steps):
    """Play cohorts of four and return all trials, rewards as the problem says."""
    told = []
    for step in range(steps):
        trials = [
            landscape.trial(placement, 0, step, "done")
            for placement in searcher.ask(4, np.random.default_rng((0, step)))
        ]
        trials = [replace(t, reward=problem.reward(t.accuracy, t.cost)) for t in trials]
        searcher.tell(trials)
        told += trials
    return told


@pytest.mark.parametrize("seed", [1, 2])
def test_it_finds_nearly_the_best_of_a_pairwise_landscape(seed):
    landscape, log = Landscape(16, seed), InMemoryTrialLog()
    settings = SearchSettings(budget=120, cohort=4)
    run_search(landscape.problem, Surrogate(landscape.problem), landscape, log, settings)
    found = max(landscape.reward(trial.placement) for trial in log.trials)
    assert found == pytest.approx(landscape.reward_range[1], abs=3e-3)


def test_what_attachments_cost_is_known_and_not_learnt():
    problem = Problem(SPACE, Objective.parse("accuracy - 0.5 sites"), price)
    told = search(Surrogate(problem), TOY, problem, 8)
    penalty = 0.5 / SPACE.sites
    best = 0.5 + np.maximum(0, TOY.gains[:, 1] - penalty).sum()
    assert max(trial.reward for trial in told) == pytest.approx(best)


def test_limits_hold_and_the_best_within_them_is_found():
    problem = Problem(SPACE, Objective.parse("accuracy", "sites <= 3"), price)
    told = search(Surrogate(problem), TOY, problem, 12)
    assert all(trial.cost.sites <= 3 for trial in told)
    assert len({trial.placement for trial in told}) == len(told)
    best = 0.5 + np.sort(TOY.gains[:, 1])[-3:].sum()
    assert max(trial.accuracy for trial in told) == pytest.approx(best)
