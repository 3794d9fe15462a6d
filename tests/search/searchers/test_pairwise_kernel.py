import numpy as np
import pytest

from ean_search.search.searchers.pairwise_kernel import Variances, feature_products, fit_variances
from ean_search.search.searchers.quadratic import encode


@pytest.mark.parametrize("choices", [2, 3])
def test_products_are_sums_over_sites_and_over_pairs_of_sites(choices, rng):
    sites = 4
    some, others = rng.integers(choices, size=(3, sites)), rng.integers(choices, size=(5, sites))
    products = feature_products(encode(some, choices), encode(others, choices), sites)
    for i, j in np.ndindex(3, 5):
        alike = np.where(some[i] == others[j], 1.0, -1 / (choices - 1))
        pairs = np.outer(alike, alike)[np.triu_indices(sites, 1)]
        assert products.linear[i, j] == pytest.approx(alike.mean())
        assert products.pairs[i, j] == pytest.approx(pairs.mean())


def make_products(rng):
    features = encode(rng.integers(2, size=(120, 6)), 2)
    return feature_products(features, features, 6)


def draw(products, variances, noise, rng):
    covariance = products.covariance(variances) + np.diag(variances.residual + noise)
    return np.linalg.cholesky(covariance) @ rng.normal(size=len(noise))


def fit(products, targets, noise):
    variances = Variances()
    for _ in range(20):
        variances = fit_variances(variances, products, targets, noise)
    return variances


def test_variances_are_recovered_up_to_a_step(rng):
    products, noise = make_products(rng), np.zeros(120)
    weak, strong = Variances(1.0, 0.001, 0.02), Variances(1.0, 2.0, 0.02)
    fitted = [fit(products, draw(products, v, noise, rng), noise) for v in (weak, strong)]
    assert fitted[0].pairs < 0.1 < fitted[1].pairs
    assert all(0.005 < variances.residual < 0.08 for variances in fitted)


def test_known_errors_are_no_residual(rng):
    products, errors = make_products(rng), np.full(120, 0.3)
    targets = draw(products, Variances(1.0, 0.3, 1e-4), errors, rng)
    assert fit(products, targets, errors).residual < 0.05
    assert fit(products, targets, np.zeros(120)).residual > 0.1
