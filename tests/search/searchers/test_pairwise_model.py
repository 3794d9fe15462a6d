import numpy as np
import pytest

from ean_search.search.searchers.pairwise_model import PairwiseModel, QuadraticFunction


def test_gains_are_differences_of_values(rng):
    pairs = rng.normal(size=(4, 3, 4, 3))
    pairs[np.arange(4), :, np.arange(4), :] = 0
    pairs = pairs + pairs.transpose(2, 3, 0, 1)
    function, here = QuadraticFunction(0.3, rng.normal(size=(4, 3)), pairs), np.array([0, 2, 1, 1])
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

    model = PairwiseModel(sites, choices)
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
        model = PairwiseModel(8, 2)
        model.fit(tried[:count], accuracies[:count])
        spreads.append(np.std([model.draw(rng).value(1 - tried[0]) for _ in range(50)]))
    assert spreads[0] > 3 * spreads[1]
