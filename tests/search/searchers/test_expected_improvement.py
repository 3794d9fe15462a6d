import numpy as np
import pytest
from scipy.stats import norm

from ean_search.core.pareto import hypervolume
from ean_search.search.searchers.expected_improvement import (
    FrontGoal,
    RewardGoal,
    log_expected_improvement,
)


def test_it_is_the_mean_of_what_is_gained():
    gaps, stds = np.linspace(-3, 8, 23), np.full(23, 0.7)
    z = gaps / stds
    expected = stds * (z * norm.cdf(z) + norm.pdf(z))
    assert np.exp(log_expected_improvement(gaps, stds)) == pytest.approx(expected, rel=1e-6)


def test_far_below_the_best_the_nearer_candidate_still_promises_more():
    logs = log_expected_improvement(-np.array([10.0, 40.0, 400.0]), np.ones(3))
    assert np.isfinite(logs).all()
    assert (np.diff(logs) < 0).all()


def test_a_reward_counts_costs_and_a_chosen_candidate_raises_the_bar():
    goal = RewardGoal(0.7, costs=np.array([0.0, 0.1]))
    means, stds = np.array([0.72, 0.8]), np.full(2, 0.01)
    before = goal.log_promise(means, stds)
    assert before[0] > before[1]
    goal.count_in(0, 0.72)
    assert (goal.log_promise(means, stds) < before).all()


def test_a_front_promises_the_mean_growth_of_its_hypervolume(rng):
    known = [(0.2, 0.5), (0.5, 0.7), (0.6, 0.65), (1.0, 0.8)]
    costs, means, stds = np.array([0.1, 0.3, 0.8]), np.array([0.5, 0.68, 0.9]), np.full(3, 0.1)
    goal, reference = FrontGoal(known, costs), np.array([1.0, -0.5])

    def volume(points):
        return hypervolume(np.array([(cost, -accuracy) for cost, accuracy in points]), reference)

    for number in range(3):
        draws = rng.normal(means[number], stds[number], size=4000)
        growth = [volume([*known, (costs[number], draw)]) - volume(known) for draw in draws]
        promised = np.exp(goal.log_promise(means, stds)[number])
        assert promised == pytest.approx(np.mean(growth), rel=0.1)


def test_what_costs_most_promises_no_volume():
    goal = FrontGoal([(0.0, 0.5), (1.0, 0.6)], np.array([1.0]))
    assert goal.log_promise(np.array([0.9]), np.array([0.1])) == -np.inf
