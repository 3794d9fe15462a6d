import numpy as np
import pytest

from ean_search.search.searchers.inverse_factor import INITIAL_CAPACITY, InverseFactor


def test_a_factor_grown_in_pieces_solves_what_the_whole_matrix_solves(rng):
    size = 2 * INITIAL_CAPACITY + 5
    inputs = rng.normal(size=(size, 40))
    covariance = inputs @ inputs.T + np.eye(size)
    factor, right = InverseFactor(), rng.normal(size=(size, 3))
    for part in np.split(np.arange(size), [1, 4, 70, 71]):
        cross = covariance[: factor.size, part]
        factor.append(cross, covariance[np.ix_(part, part)])
    assert factor.size == size
    assert factor.solve(right) == pytest.approx(np.linalg.solve(covariance, right), abs=1e-10)
    assert factor.matrix == pytest.approx(np.tril(factor.matrix))
