import numpy as np
import pytest

from ean_search.bench.synthetic import REWARD_STD, Landscape

pytestmark = pytest.mark.usefixtures("one_thread")


def test_rewards_spread_by_one_accuracy_point_within_their_range():
    landscape = Landscape(8, 1, triple_share=0.2)
    rewards = [landscape.reward(p) for p in landscape.problem.space.enumerate()]
    assert np.std(rewards) == pytest.approx(REWARD_STD)
    assert landscape.reward_range == pytest.approx((min(rewards), max(rewards)))


def test_annealing_finds_what_enumeration_finds():
    landscape = Landscape(12, 3, triple_share=0.1)
    assert landscape.anneal_range() == pytest.approx(landscape.reward_range)


def test_a_measurement_is_noisy_but_always_the_same():
    landscape = Landscape(8, 0)
    placements = landscape.problem.space.enumerate()
    once, twice = ([r.accuracy for r in landscape.evaluate(placements)] for _ in range(2))
    assert once == twice
    costs = [landscape.problem.price(p) for p in placements]
    rewards = [landscape.problem.reward(a, c) for a, c in zip(once, costs, strict=True)]
    noise = np.array(rewards) - [landscape.reward(p) for p in placements]
    assert noise.std() == pytest.approx(0.1 * REWARD_STD, rel=0.2)


def test_landscapes_of_other_seeds_differ():
    none = Landscape(16, 0).problem.space.named["none"]
    assert Landscape(16, 0).reward(none) != Landscape(16, 1).reward(none)
