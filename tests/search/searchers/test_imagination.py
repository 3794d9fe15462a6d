import numpy as np
import pytest

from ean_search.search.searchers.imagination import imagine
from tests.search.searchers.test_quadratic import make_functions


@pytest.mark.parametrize(("sites", "choices"), [(10, 2), (6, 3)])
def test_policies_find_the_best_placements_of_functions(sites, choices, rng):
    functions = make_functions(rng, 6, sites, choices)
    penalties = rng.random((6, sites, choices))
    everything = np.array(list(np.ndindex((choices,) * sites)))
    values = functions.values(np.broadcast_to(everything, (6, *everything.shape)))
    rewards = values - penalties[:, np.arange(sites), everything].sum(axis=2)
    imagined = imagine(functions, penalties, 8, rng)
    found, best = imagined.rewards.max(axis=1), rewards.max(axis=1)
    assert (found >= best - 0.05 * (best - rewards.mean(axis=1))).all()
    surest = imagined.policies.max(axis=3)
    assert surest.mean() > 0.95
    for which, policy in enumerate(imagined.best_policies()):
        mode = everything == policy.argmax(axis=1)
        assert rewards[which][mode.all(axis=1)] == pytest.approx(found[which])


def test_flat_functions_leave_policies_where_they_started():
    functions = make_functions(np.random.default_rng(0), 1, 4, 2)
    flat = type(functions)(2, functions.constants, 0 * functions.linear, 0 * functions.pairs)
    imagined = imagine(flat, np.zeros((1, 4, 2)), 2, np.random.default_rng(0))
    assert (imagined.policies > 0.05).all()
