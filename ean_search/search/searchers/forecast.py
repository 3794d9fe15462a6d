"""A joint forecast of the accuracies of candidates, and the choice of a cohort of them.

The members of a cohort are chosen one by one: each as if those before it had been evaluated and
were as accurate as expected, so that a cohort does not ask the same question twice.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

MIN_VARIANCE = 1e-12  # relative to the residual's; smaller ones are rounding errors


class Goal(Protocol):
    """What a search is to improve."""

    def log_promise(self, means: np.ndarray, stds: np.ndarray) -> np.ndarray:
        """Return the logarithm of what each candidate promises, (candidates,).

        Args:
            means: Their expected accuracies, (candidates,).
            stds: The standard deviations of these, (candidates,).
        """

    def count_in(self, candidate: int, accuracy: float) -> None:
        """Count a candidate in as if it had been evaluated."""


@dataclass
class Forecast:
    """Normal accuracies of candidates.

    Attributes:
        means: (candidates,).
        covariance: Without the residuals, (candidates, candidates).
        residual: The variance of the part of its accuracy that is each placement's own.
    """

    means: np.ndarray
    covariance: np.ndarray
    residual: float

    def choose(self, count: int, goal: Goal) -> list[int]:
        """Choose the candidates that promise most.

        Args:
            count: How many, at most as many as there are.
            goal: What they are to improve; the chosen ones are counted in.

        Returns:
            Their numbers, in the order in which they were chosen.
        """
        chosen: list[int] = []
        for _ in range(count):
            variances = np.maximum(np.diag(self.covariance), 0) + self.residual
            promise = goal.log_promise(self.means, np.sqrt(variances))
            promise[chosen] = -np.inf
            chosen.append(int(promise.argmax()))
            goal.count_in(chosen[-1], float(self.means[chosen[-1]]))
            self._condition_on(chosen[-1])
        return chosen

    def _condition_on(self, candidate: int) -> None:
        """Reduce the covariance as if a candidate had been evaluated."""
        shared = self.covariance[:, candidate]
        explained = np.outer(shared, shared) / (shared[candidate] + self.residual)
        self.covariance = self.covariance - explained
