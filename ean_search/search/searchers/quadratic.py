"""Quadratic functions of placements: the effects of single choices and of pairs of them.

A site with k choices has k - 1 features: orthogonal contrasts, scaled so that the product of a
choice's features with themselves is 1, and with those of another choice -1 / (k - 1). For two
choices, the feature is -1 or 1. An even policy has features of zero on average.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np


@cache
def contrasts(choices: int) -> np.ndarray:
    """Return the features of each choice of a site, (choices, choices - 1)."""
    basis = np.linalg.qr(np.eye(choices)[:, 1:] - 1 / choices)[0]
    return np.asarray(basis * (choices / (choices - 1)) ** 0.5)


def encode(placements: np.ndarray, choices: int) -> np.ndarray:
    """Return the features of placements.

    Args:
        placements: The choices of each site, (..., sites).
        choices: The number of choices per site.

    Returns:
        (..., sites * (choices - 1)).
    """
    features = contrasts(choices)[placements]
    return np.asarray(features.reshape(*placements.shape[:-1], -1))


@dataclass(frozen=True)
class QuadraticFunctions:
    """Several functions of placements: constants, linear parts, and halves of quadratic forms.

    Attributes:
        choices: The number of choices per site.
        constants: (functions,).
        linear: (functions, features).
        pairs: (functions, features, features); symmetric, and zero within a site.
    """

    choices: int
    constants: np.ndarray
    linear: np.ndarray
    pairs: np.ndarray

    def values(self, placements: np.ndarray) -> np.ndarray:
        """Evaluate each function at placements of its own.

        Args:
            placements: Their choices, (functions, placements, sites).

        Returns:
            (functions, placements).
        """
        features = encode(placements, self.choices)
        slopes = self.linear[:, None] + 0.5 * (features @ self.pairs)
        return np.asarray(self.constants[:, None] + (features * slopes).sum(axis=2))

    def promises(self, policies: np.ndarray) -> np.ndarray:
        """Return what each choice of a site adds to the functions while a policy draws the others.

        A policy draws its sites independently, and the functions have terms of at most two sites:
        the expectation over all placements is exact.

        Args:
            policies: Probabilities, (functions, policies, sites, choices).

        Returns:
            The same shape; the promises of a site have a mean of zero.
        """
        basis = contrasts(self.choices)
        means = (policies @ basis).reshape(*policies.shape[:2], -1)
        slopes = self.linear[:, None] + means @ self.pairs
        return np.asarray(slopes.reshape(*policies.shape[:3], -1) @ basis.T)
