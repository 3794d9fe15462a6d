"""What a placement promises: its expected improvement on the best reward, or on a front.

Costs are known exactly, so that only accuracies are uncertain. The expected growth of a front's
hypervolume is then a sum of expected improvements, one for each of its steps.

Expected improvement, https://doi.org/10.1023/A:1008306431147; of the hypervolume,
https://doi.org/10.1007/978-3-540-70928-2_66.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import erfcx, logsumexp

MIN_DEVIATIONS = -1e3  # of a mean from what it is to exceed; beyond, rounding decides


class RewardGoal:
    """Improve the best reward.

    Args:
        best: The best reward so far.
        costs: What the costs of each candidate take from its reward, (candidates,).
    """

    def __init__(self, best: float, costs: np.ndarray) -> None:
        self._best, self._costs = best, costs

    def log_promise(self, means: np.ndarray, stds: np.ndarray) -> np.ndarray:
        """Return the logarithm of the expected improvement of the reward, (candidates,)."""
        return log_expected_improvement(means - self._costs - self._best, stds)

    def count_in(self, candidate: int, accuracy: float) -> None:
        """Raise the best reward if the candidate's is higher."""
        self._best = max(self._best, accuracy - self._costs[candidate])


class FrontGoal:
    """Make the hypervolume of the front of accuracy against cost larger.

    The reference point is the highest cost and the lowest accuracy of all trials.

    Args:
        known: The cost and the accuracy of each trial.
        costs: The costs of the candidates, (candidates,).
    """

    def __init__(self, known: Sequence[tuple[float, float]], costs: np.ndarray) -> None:
        self._known, self._costs = list(known), costs
        self._highest_cost = max(costs.max(), *(cost for cost, _ in known))

    def log_promise(self, means: np.ndarray, stds: np.ndarray) -> np.ndarray:
        """Return the logarithm of the expected growth of the hypervolume, (candidates,)."""
        points = np.array(sorted(self._known))
        floor = points[:, 1].min()
        # Step i of the front reaches from edge i to edge i + 1, at the best accuracy until there.
        edges = np.array([-np.inf, *points[:, 0], self._highest_cost])
        heights = np.maximum.accumulate([floor, *points[:, 1]])
        starts = np.maximum(edges[:-1], self._costs[:, None])
        widths = np.maximum(edges[1:] - starts, 0)  # (candidates, steps)
        gains = log_expected_improvement(means[:, None] - heights, stds[:, None])
        with np.errstate(divide="ignore"):  # of candidates at the highest cost
            return np.asarray(logsumexp(gains + np.log(widths), axis=1))

    def count_in(self, candidate: int, accuracy: float) -> None:
        """Add the candidate to the points of the front."""
        self._known.append((float(self._costs[candidate]), accuracy))


def log_expected_improvement(gaps: np.ndarray, stds: np.ndarray) -> np.ndarray:
    """Return the logarithm of the expected positive part of normal variables.

    Args:
        gaps: Their means.
        stds: Their standard deviations, of a shape that fits.
    """
    deviations = np.maximum(gaps / stds, MIN_DEVIATIONS)
    # E max(0, x) = std * density(z) * (1 + z * cdf(z) / density(z)) with z = mean / std; for large
    # z, the density vanishes, and the mean is nearly all of it.
    tail = np.minimum(deviations, 5.0)
    ratio = 1 + tail * np.sqrt(np.pi / 2) * erfcx(-tail / 2**0.5)
    logs = -(tail**2) / 2 - np.log(2 * np.pi) / 2 + np.log(ratio)
    return np.asarray(
        np.log(stds) + np.where(deviations > tail, np.log(np.maximum(deviations, 1)), logs)
    )
