import numpy as np
import pytest

from ean_search.search.searchers.ridge import fit_ridge


def test_a_ridge_recovers_a_linear_function_and_shrinks_what_is_unsure(rng):
    inputs = rng.normal(size=(200, 3))
    weights, constant = fit_ridge(inputs, inputs @ [1.0, -2.0, 0.0] + 0.5, 1e-6)
    assert weights == pytest.approx([1.0, -2.0, 0.0], abs=1e-6)
    assert constant == pytest.approx(0.5)
    few, _ = fit_ridge(inputs[:2], inputs[:2] @ [1.0, -2.0, 0.0], 1.0)
    assert np.linalg.norm(few) < np.linalg.norm([1.0, -2.0])
