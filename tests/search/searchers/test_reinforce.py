import math

import numpy as np
import pytest

from ean_search.bench.simulate import run_searcher
from ean_search.bench.synthetic import Landscape
from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.reinforce import Reinforce
from ean_search.search.tabular.placement_bench import PlacementBench
from ean_search.search.trial_log import InMemoryTrialLog
from ean_search.testing.toy import ToyLandscape, play_search, price
from ean_search.utils.errors import UserError
from tests.search.searchers.test_surrogate import search

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(3, 4, 6, 3))
MIXED = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 2, 2))
TOY = ToyLandscape(SPACE)


@pytest.mark.parametrize("seed", range(3))
def test_it_comes_near_the_optimum_of_sixteen_sites_with_interactions(seed):
    landscape = Landscape(16, seed)
    rows = run_searcher("reinforce", landscape, workers=1, budget=120)
    assert rows[-1]["regret"] < 0.3  # standard deviations; random search leaves 1.3


def test_the_policy_starts_even_and_shows_what_the_best_placement_has():
    landscape = ToyLandscape(MIXED)
    searcher = Reinforce(landscape.problem)
    assert searcher.entropy == pytest.approx(math.log(3))
    for seed in range(3):
        play_search(searcher, landscape, seed=seed)
    assert searcher.probabilities().sum(axis=1) == pytest.approx(1)
    assert searcher.entropy < 0.5
    assert searcher.best_guess().choices == tuple(landscape.gains.argmax(axis=1))


def test_where_nothing_matters_the_policy_stays_unsure():
    flat, searcher = Problem(SPACE, Objective(), price), Reinforce(TOY.problem)
    told = search(searcher, Flat(SPACE), flat, 6)
    assert len({trial.placement for trial in told}) == 24
    assert searcher.entropy > 0.5


class Flat(ToyLandscape):
    """A landscape without any differences."""

    def accuracy(self, placement):
        return 0.7


def test_limits_are_kept_where_hardly_any_draw_would():
    for limits, fits in (("sites <= 2", lambda n: n <= 2), ("sites >= 10", lambda n: n >= 10)):
        problem = Problem(SPACE, Objective.parse("accuracy", limits), price)
        told = search(Reinforce(problem), TOY, problem, 6)
        assert all(fits(trial.placement.attached) for trial in told)


def test_the_best_within_a_limit_is_found():
    problem = Problem(SPACE, Objective.parse("accuracy", "sites <= 3"), price)
    told = search(Reinforce(problem), TOY, problem, 12)
    best = 0.5 + np.sort(TOY.gains[:, 1])[-3:].sum()
    assert max(trial.accuracy for trial in told) == pytest.approx(best)


def test_nearly_all_of_a_front_is_found():
    runs = [run_searcher("reinforce front=true", PlacementBench("eight", s), 1, 50) for s in (0, 1)]
    assert min(run[-1]["hypervolume"] for run in runs) > 0.97
    assert Reinforce(PlacementBench("eight").problem, front=True).multi_objective


def test_a_front_needs_costs():
    with pytest.raises(UserError, match="needs an objective with costs"):
        Reinforce(TOY.problem, front=True)


def test_a_resumed_search_equals_an_uninterrupted_one():
    landscape, whole = Landscape(16, 1), InMemoryTrialLog()

    def play(log, budget):
        searcher = Reinforce(landscape.problem)
        run_search(landscape.problem, searcher, landscape, log, SearchSettings(budget))
        return searcher

    complete = play(whole, 60)
    half = InMemoryTrialLog(whole.trials[:33])
    resumed = play(half, 60)
    assert [t.placement for t in half.trials] == [t.placement for t in whole.trials]
    assert (resumed.probabilities() == complete.probabilities()).all()


@pytest.mark.slow
def test_a_thousand_trials_are_replayed_in_moments(rng):
    # The time is bounded loosely: the machine may be busy.
    import time

    large = Space(name="large", backbone="x", attention=["se"], stages=(18, 18, 18))
    landscape, start = ToyLandscape(large), time.perf_counter()
    searcher = Reinforce(landscape.problem)
    for step in range(300):
        cohort = searcher.ask(4, np.random.default_rng(step))
        searcher.tell([landscape.trial(placement) for placement in cohort])
    assert (time.perf_counter() - start) / 1200 < 0.05
