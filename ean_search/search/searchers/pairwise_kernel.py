"""The prior of the pairwise model: how alike the accuracies of two placements are expected to be.

The prior has three variances, relative to that of the accuracies: of the single choices' effects,
of the pairs' effects, and of the residual, which is each placement's own. They are fitted by
maximum marginal likelihood. The constant has a variance of 1.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

VARIANCE_FACTORS = (0.5, 2.0)  # the changes of a variance that a fit tries
MIN_VARIANCE, MAX_VARIANCE = 1e-4, 1e2


class Variances(NamedTuple):
    """The variances of the prior."""

    linear: float = 1.0
    pairs: float = 0.3
    residual: float = 0.1

    def of_weights(self, sites: int) -> tuple[float, float]:
        """Return the variance of the weight of each feature, and of each pair of features."""
        return self.linear / sites, 2 * self.pairs / max(1, sites * (sites - 1))


class Products(NamedTuple):
    """Products of placements' features, (some, others): of single choices, and of pairs."""

    linear: np.ndarray
    pairs: np.ndarray

    def covariance(self, variances: Variances) -> np.ndarray:
        """Return the prior covariance, without the residual."""
        return 1 + variances.linear * self.linear + variances.pairs * self.pairs


def feature_products(some: np.ndarray, others: np.ndarray, sites: int) -> Products:
    """Multiply placements by their features, (some, features) and (others, features)."""
    gram, width = some @ others.T, some.shape[1] // sites
    # The product at one site is 1 for equal choices and -1 / width for different ones.
    num_equal = (gram * width + sites) / (width + 1)  # sites with equal choices
    squares = num_equal + (sites - num_equal) / width**2
    return Products(gram / sites, (gram**2 - squares) / max(1, sites * (sites - 1)))


def fit_variances(
    variances: Variances, products: Products, targets: np.ndarray, noise: np.ndarray
) -> Variances:
    """Increase the marginal likelihood by one step of each variance.

    Args:
        variances: The variances to start from.
        products: Of the trials with each other.
        targets: Their standardised accuracies, (trials,).
        noise: The variances of the errors of the targets, (trials,).
    """
    best = _log_evidence(variances, products, targets, noise)
    for name in Variances._fields:
        for factor in VARIANCE_FACTORS:
            value = np.clip(factor * getattr(variances, name), MIN_VARIANCE, MAX_VARIANCE)
            changed = variances._replace(**{name: float(value)})
            evidence = _log_evidence(changed, products, targets, noise)
            if evidence > best:
                best, variances = evidence, changed
                break
    return variances


def _log_evidence(
    variances: Variances, products: Products, targets: np.ndarray, noise: np.ndarray
) -> float:
    """Return the log marginal likelihood, without its constant."""
    covariance = products.covariance(variances) + np.diag(variances.residual + noise)
    factor = cho_factor(covariance, lower=True, overwrite_a=True, check_finite=False)
    explained = targets @ cho_solve(factor, targets, check_finite=False)
    return float(-0.5 * explained - np.log(np.diag(factor[0])).sum())
