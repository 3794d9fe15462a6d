import numpy as np
import pytest

from ean_search.search.searchers import pairwise_model
from ean_search.search.searchers.pairwise_model import PairwiseModel

ZERO = np.zeros(1)


def add(model, placements, accuracies, errors=0.0):
    model.add(placements, accuracies, np.broadcast_to(errors, accuracies.shape))


def mean_of(model, placements):
    """Return the posterior's mean."""
    return model.draw(np.random.default_rng(0), ZERO).values(placements[None])[0]


@pytest.mark.parametrize(("sites", "choices"), [(8, 2), (5, 3)])
def test_the_model_learns_pairs_and_its_draws_agree_where_it_knows(sites, choices, rng):
    truth = rng.normal(size=(sites, choices))
    bend = rng.normal(size=(choices, choices))
    tried = rng.integers(0, choices, size=(160, sites))

    def accuracy(placements):
        single = truth[np.arange(sites), placements].sum(axis=1)
        return 0.7 + 0.01 * (single + bend[placements[:, 0], placements[:, 3]])

    model = PairwiseModel(sites, choices)
    for part in np.array_split(tried, 12):  # a fit moves the variances by one step
        add(model, part, accuracy(part))
    unseen = rng.integers(0, choices, size=(30, sites))
    for spread, within in ((0.0, 0.004), (1.0, 0.02)):
        function = model.draw(rng, np.array([spread]))
        assert np.abs(function.values(unseen[None])[0] - accuracy(unseen)).max() < within


def make_trials(rng, count, sites=10):
    placements = rng.integers(0, 2, size=(count, sites))
    return placements, 0.7 + 0.01 * rng.normal(size=count), 0.005 * rng.random(count)


def test_a_model_grown_trial_by_trial_equals_one_made_at_once(rng):
    placements, accuracies, errors = make_trials(rng, 150)
    grown = PairwiseModel(10, 2)
    for start in range(0, 150, 3):
        part = slice(start, start + 3)
        grown.add(placements[part], accuracies[part], errors[part])
    whole = PairwiseModel(10, 2)
    whole.add(placements, accuracies, errors)
    whole._variances, whole._std = grown._variances, grown._std
    whole._factor = pairwise_model.InverseFactor()
    whole._extend_factor()
    whole._solved = whole._factor.solve(whole._targets)
    unseen = rng.integers(0, 2, size=(20, 10))
    one, other = grown.forecast(unseen), whole.forecast(unseen)
    assert one.means == pytest.approx(other.means, abs=1e-8)
    assert one.covariance == pytest.approx(other.covariance, abs=1e-8)
    assert grown.smoothed() == pytest.approx(whole.smoothed(), abs=1e-8)
    assert mean_of(grown, unseen) == pytest.approx(mean_of(whole, unseen), abs=1e-8)


def test_forecasts_and_draws_are_of_the_same_posterior(rng):
    placements, accuracies, errors = make_trials(rng, 30)
    model = PairwiseModel(10, 2)
    model.add(placements, accuracies, errors)
    unseen = rng.integers(0, 2, size=(4, 10))
    forecast = model.forecast(unseen)
    drawn = model.draw(rng, np.ones(4000)).values(np.broadcast_to(unseen, (4000, 4, 10)))
    assert mean_of(model, unseen) == pytest.approx(forecast.means)
    assert drawn.mean(axis=0) == pytest.approx(forecast.means, abs=1e-3)
    assert np.cov(drawn.T) == pytest.approx(forecast.covariance, rel=0.2, abs=2e-6)


def test_the_less_is_known_the_more_draws_differ(rng):
    tried = rng.integers(0, 2, size=(200, 8))
    accuracies = 0.7 + 0.01 * tried.sum(axis=1)
    spreads = []
    for count in (5, 200):
        model = PairwiseModel(8, 2)
        add(model, tried[:count], accuracies[:count])
        functions = model.draw(rng, np.ones(50))
        spreads.append(functions.values(np.broadcast_to(1 - tried[0], (50, 1, 8))).std())
    assert spreads[0] > 3 * spreads[1]


def test_what_has_no_error_is_taken_as_measured_and_luck_is_removed_from_the_rest(rng):
    placements = rng.integers(0, 2, size=(120, 8))
    truth = 0.7 + 0.01 * placements.sum(axis=1)
    measured = truth + 0.02 * rng.normal(size=120)
    exact, noisy = PairwiseModel(8, 2), PairwiseModel(8, 2)
    add(exact, placements, measured)
    add(noisy, placements, measured, 0.02)
    assert exact.smoothed() == pytest.approx(measured)
    assert np.std(noisy.smoothed() - truth) < 0.6 * np.std(measured - truth)


def test_beyond_a_limit_the_earliest_trials_are_forgotten(monkeypatch, rng):
    monkeypatch.setattr(pairwise_model, "MAX_TRIALS", 60)
    monkeypatch.setattr(pairwise_model, "KEPT_TRIALS", 40)
    placements, accuracies, errors = make_trials(rng, 70)
    model, fresh = PairwiseModel(10, 2), PairwiseModel(10, 2)
    for number in range(61):
        model.add(placements[[number]], accuracies[[number]], errors[[number]])
    fresh._variances = model._variances
    fresh._next_fit = np.inf
    fresh._std = model._std
    fresh.add(placements[21:61], accuracies[21:61], errors[21:61])
    assert len(model) == 40
    assert model.smoothed() == pytest.approx(fresh.smoothed())
