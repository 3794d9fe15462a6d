"""The inverse of a covariance's Cholesky factor, to which rows are added a few at a time."""

import numpy as np
from scipy.linalg import cholesky
from scipy.linalg.lapack import dtrtri

INITIAL_CAPACITY = 64


class InverseFactor:
    """The lower triangular W with W K W' = 1, for a covariance matrix K that grows.

    Products with W and its transpose solve systems of K, and nothing is factorised twice.
    """

    def __init__(self) -> None:
        self._storage, self.size = np.zeros((INITIAL_CAPACITY, INITIAL_CAPACITY)), 0

    @property
    def matrix(self) -> np.ndarray:
        """Return W, (size, size)."""
        return self._storage[: self.size, : self.size]

    def append(self, cross: np.ndarray, own: np.ndarray) -> None:
        """Add rows to the covariance.

        Args:
            cross: The covariance of the old rows with the new ones, (size, new).
            own: The covariance of the new rows with each other, (new, new).
        """
        old, new = self.size, self.size + len(own)
        self._reserve(new)
        projected = self.matrix @ cross
        factor = cholesky(own - projected.T @ projected, lower=True, check_finite=False)
        inverse, _ = dtrtri(factor, lower=1)
        self._storage[old:new, :old] = -inverse @ (projected.T @ self.matrix)
        self._storage[old:new, old:new] = inverse
        self.size = new

    def _reserve(self, size: int) -> None:
        """Make room for so many rows; the room doubles, so that copies are rare."""
        if size > len(self._storage):
            storage = np.zeros((max(size, 2 * len(self._storage)),) * 2)
            storage[: self.size, : self.size] = self.matrix
            self._storage = storage

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Return the product of the inverse covariance and (size,) or (size, columns)."""
        return np.asarray(self.matrix.T @ (self.matrix @ right))
