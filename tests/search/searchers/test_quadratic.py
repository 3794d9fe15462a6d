import numpy as np
import pytest

from ean_search.search.searchers.quadratic import QuadraticFunctions, contrasts, encode


def make_functions(rng, count, sites, choices):
    size, width = sites * (choices - 1), choices - 1
    pairs = rng.normal(size=(count, size, size))
    pairs = (pairs + pairs.transpose(0, 2, 1)) * (1 - np.kron(np.eye(sites), np.ones((width,) * 2)))
    return QuadraticFunctions(
        choices, rng.normal(size=count), rng.normal(size=(count, size)), pairs
    )


@pytest.mark.parametrize("choices", [2, 3, 5])
def test_features_tell_choices_apart_evenly(choices):
    products = contrasts(choices) @ contrasts(choices).T
    assert np.diag(products) == pytest.approx(1)
    off = products[~np.eye(choices, dtype=bool)]
    assert off == pytest.approx(-1 / (choices - 1))
    assert contrasts(choices).sum(axis=0) == pytest.approx(0)


def test_a_value_is_the_constant_the_linear_part_and_half_the_form(rng):
    functions = make_functions(rng, 2, 4, 3)
    placements = rng.integers(3, size=(2, 5, 4))
    values = functions.values(placements)
    for which, number in np.ndindex(2, 5):
        x = encode(placements[which, number], 3)
        form = x @ functions.pairs[which] @ x / 2
        expected = functions.constants[which] + functions.linear[which] @ x + form
        assert values[which, number] == pytest.approx(expected)


def test_promises_are_exact_means_over_what_a_policy_draws(rng):
    functions, choices = make_functions(rng, 1, 3, 3), 3
    policy = rng.dirichlet(np.ones(choices), size=3)
    everything = np.array(list(np.ndindex(3, 3, 3)))
    shares = policy[np.arange(3), everything].prod(axis=1)
    values = functions.values(everything[None])[0]
    promises = functions.promises(policy[None, None])[0, 0]
    for site in range(3):
        means = [
            (shares * values)[everything[:, site] == choice].sum() / policy[site, choice]
            for choice in range(choices)
        ]
        assert promises[site] - promises[site].mean() == pytest.approx(means - np.mean(means))
