"""A Bayesian model of placements: what every choice adds, and what every pair of choices adds.

Weights of single choices and of pairs have normal priors; how wide, and how much is noise, is
fitted by marginal likelihood. Everything is computed from products between placements, so thousands
of pairs cost no more than the trials told, and a draw from the posterior is one explicit quadratic
function. Nothing is said about three choices together: to this model that is noise.

Bayesian linear regression as a Gaussian process, https://gaussianprocess.org/gpml, chapter 2;
draws from the posterior by Matheron's rule, https://arxiv.org/abs/2002.09309.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

FACTORS = (0.5, 2.0)  # by which a scale is changed to see whether it explains more
LEAST, MOST = 1e-4, 1e2  # variances, where the accuracies' own is 1


@dataclass(frozen=True)
class Quadratic:
    """A function of placements: constant + linear + half of a quadratic form without squares."""

    constant: float
    linear: np.ndarray  # (sites, choices)
    pairs: np.ndarray  # (sites, choices, sites, choices), zero where the sites are the same

    def value(self, choices: np.ndarray) -> float:
        """Evaluate one placement's choices."""
        marks = _marks(choices[None], self.linear.shape[1])[0]
        bent = 0.5 * np.tensordot(self.pairs, marks)
        return float(self.constant + (marks * (self.linear + bent)).sum())

    def gains(self, choices: np.ndarray) -> np.ndarray:
        """Say what changing one site to each choice would add: (sites, choices)."""
        count = self.linear.shape[1]
        slope = self.linear + np.tensordot(self.pairs, _marks(choices[None], count)[0])
        slope = slope * _scale(count)
        return slope - np.take_along_axis(slope, choices[:, None], axis=1)


class Model:
    """Fit accuracies of placements, and draw functions that could explain them."""

    def __init__(self, sites: int, choices: int) -> None:
        self._shape = (sites, choices)
        self._variances = np.array([1.0, 0.3, 0.1])  # of the linear part, of pairs, of the noise

    def fit(self, placements: np.ndarray, accuracies: np.ndarray) -> None:
        """Learn from choices (trials, sites) and their accuracies."""
        sites, count = self._shape
        self._marks = _marks(placements, count).reshape(len(placements), -1)
        self._mean, self._scale = accuracies.mean(), max(accuracies.std(), 1e-9)
        self._targets = (accuracies - self._mean) / self._scale
        alike = self._marks @ self._marks.T
        # A site's product is 1 where choices are the same and -1 / (count - 1) where they differ.
        same = (alike * (count - 1) + sites) / count  # how many sites are the same
        squares = same + (sites - same) / (count - 1) ** 2
        self._kernels = alike / sites, (alike**2 - squares) / max(1, sites * (sites - 1))
        self._tune()

    def draw(self, rng: np.random.Generator, spread: float = 1.0) -> Quadratic:
        """Draw a function from the posterior; 0 gives its mean, 1 all of its uncertainty."""
        sites, count = self._shape
        linear, pair, noise = self._weight_variances()
        weights = spread * linear**0.5 * rng.normal(size=sites * count)
        form = np.triu(spread * pair**0.5 * rng.normal(size=(sites * count,) * 2))
        form = self._between_sites(form + form.T)
        constant = spread * rng.normal()
        guess = constant + self._marks @ weights
        guess += 0.5 * ((self._marks @ form) * self._marks).sum(axis=1)
        guess += spread * noise**0.5 * rng.normal(size=len(guess))
        missing = cho_solve(self._factor, self._targets - guess)
        constant += missing.sum()
        weights += linear * missing @ self._marks
        form += pair * self._between_sites((self._marks * missing[:, None]).T @ self._marks)
        shape = self._shape
        return Quadratic(
            self._mean + self._scale * constant,
            self._scale * weights.reshape(shape),
            self._scale * form.reshape(shape + shape),
        )

    def _weight_variances(self) -> tuple[float, float, float]:
        sites, (linear, pair, noise) = self._shape[0], self._variances
        return linear / sites, 2 * pair / max(1, sites * (sites - 1)), noise

    def _between_sites(self, form: np.ndarray) -> np.ndarray:
        """Remove what a site would add together with itself."""
        sites, count = self._shape
        return form * np.kron(1 - np.eye(sites), np.ones((count, count)))

    def _tune(self) -> None:
        """Climb the marginal likelihood, one step from where the last fit left it."""
        best, self._factor = self._evidence(self._variances)
        for which in range(len(self._variances)):
            for factor in FACTORS:
                variances = self._variances.copy()
                variances[which] = np.clip(factor * variances[which], LEAST, MOST)
                evidence, factors = self._evidence(variances)
                if evidence > best:
                    best, self._factor, self._variances = evidence, factors, variances
                    break

    def _evidence(self, variances: np.ndarray) -> tuple[float, tuple]:
        linear, pair, noise = variances
        kernel = 1 + linear * self._kernels[0] + pair * self._kernels[1]
        factor = cho_factor(kernel + noise * np.eye(len(kernel)), lower=True, check_finite=False)
        explained = self._targets @ cho_solve(factor, self._targets, check_finite=False)
        return -0.5 * explained - np.log(np.diag(factor[0])).sum(), factor


def _scale(count: int) -> float:
    return (count / (count - 1)) ** 0.5


def _marks(choices: np.ndarray, count: int) -> np.ndarray:
    """Mark choices so that a site's product with itself is 1: (trials, sites, choices)."""
    return (np.eye(count)[choices] - 1 / count) * _scale(count)
