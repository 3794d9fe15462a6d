"""A Bayesian model of placements: the effect of each choice, and of each pair of choices.

The effects have normal priors. The variances of the priors and of the noise are fitted by maximum
marginal likelihood. All computations use the products between placements (a Gram matrix), so that
thousands of pairs cost no more than the trials told. A draw from the posterior is an explicit
quadratic function. Effects of three choices together are noise to this model.

Bayesian linear regression as a Gaussian process, https://gaussianprocess.org/gpml, chapter 2;
draws from the posterior by Matheron's rule, https://arxiv.org/abs/2002.09309.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

VARIANCE_FACTORS = (0.5, 2.0)  # the changes of a variance that a fit tries
MIN_VARIANCE, MAX_VARIANCE = 1e-4, 1e2  # relative to the variance of the accuracies
INITIAL_VARIANCES = (1.0, 0.3, 0.1)  # of the linear part, of the pairs, of the noise
MIN_ACCURACY_STD = 1e-9


@dataclass(frozen=True)
class QuadraticFunction:
    """A function of placements: a constant, a linear part, and half of a quadratic form."""

    constant: float
    linear: np.ndarray  # (sites, choices)
    pairs: np.ndarray  # (sites, choices, sites, choices), symmetric, zero within a site

    def value(self, choices: np.ndarray) -> float:
        """Evaluate the function for the choices of one placement, (sites,)."""
        features = _encode_choices(choices[None], self.linear.shape[1])[0]
        pair_terms = 0.5 * np.tensordot(self.pairs, features)
        return float(self.constant + (features * (self.linear + pair_terms)).sum())

    def gains(self, choices: np.ndarray) -> np.ndarray:
        """Return how the value changes if one site takes another choice.

        Args:
            choices: The choices of one placement, (sites,).

        Returns:
            The changes, (sites, choices); zero for the choices that the placement has.
        """
        count = self.linear.shape[1]
        slope = self.linear + np.tensordot(self.pairs, _encode_choices(choices[None], count)[0])
        slope = slope * _feature_scale(count)
        return np.asarray(slope - np.take_along_axis(slope, choices[:, None], axis=1))


class CholeskyFactor(NamedTuple):
    """A factorisation of the covariance matrix of the trials, as SciPy's `cho_solve` takes it."""

    matrix: np.ndarray
    lower: bool


class FittedData(NamedTuple):
    """The trials that the model was fitted to, and what depends on the trials alone."""

    features: np.ndarray  # (trials, sites * choices)
    targets: np.ndarray  # (trials,), standardised accuracies
    mean: float  # of the accuracies
    std: float
    linear_kernel: np.ndarray  # (trials, trials)
    pair_kernel: np.ndarray  # (trials, trials)


class PairwiseModel:
    """Fits the accuracies of placements, and draws functions that could explain them.

    Args:
        sites: The number of sites.
        choices: The number of choices per site.
    """

    def __init__(self, sites: int, choices: int) -> None:
        self._shape = (sites, choices)
        self._variances = np.array(INITIAL_VARIANCES)
        self._data: FittedData | None = None
        self._factor: CholeskyFactor | None = None

    def fit(self, placements: np.ndarray, accuracies: np.ndarray) -> None:
        """Fit the model; the variances move by one step from those of the previous fit.

        Args:
            placements: The choices of the trials, (trials, sites).
            accuracies: Their accuracies, (trials,).
        """
        sites, count = self._shape
        features = _encode_choices(placements, count).reshape(len(placements), -1)
        mean, std = accuracies.mean(), max(accuracies.std(), MIN_ACCURACY_STD)
        gram = features @ features.T
        # The product at one site is 1 for equal choices and -1 / (count - 1) for different ones.
        num_equal = (gram * (count - 1) + sites) / count  # sites with equal choices
        squares = num_equal + (sites - num_equal) / (count - 1) ** 2
        pair_kernel = (gram**2 - squares) / max(1, sites * (sites - 1))
        targets = (accuracies - mean) / std
        self._data = FittedData(features, targets, mean, std, gram / sites, pair_kernel)
        self._fit_variances(self._data)

    def draw(self, rng: np.random.Generator, spread: float = 1.0) -> QuadraticFunction:
        """Draw a function from the posterior.

        Args:
            rng: The random generator.
            spread: Scales the deviation from the posterior's mean: 0 gives the mean itself.
        """
        assert self._data is not None  # `fit` was called
        assert self._factor is not None
        data, (sites, count) = self._data, self._shape
        linear, pair, noise = self._weight_variances()
        # A function from the prior, and what it would give for the trials.
        weights = spread * linear**0.5 * rng.normal(size=sites * count)
        form = np.triu(spread * pair**0.5 * rng.normal(size=(sites * count,) * 2))
        form = self._between_sites(form + form.T)
        constant = spread * rng.normal()
        prior = constant + data.features @ weights
        prior += 0.5 * ((data.features @ form) * data.features).sum(axis=1)
        prior += spread * noise**0.5 * rng.normal(size=len(prior))
        # Matheron's rule: correct it by what is missing at the trials.
        missing = cho_solve(self._factor, data.targets - prior)
        constant += missing.sum()
        weights += linear * missing @ data.features
        form += pair * self._between_sites((data.features * missing[:, None]).T @ data.features)
        return QuadraticFunction(
            data.mean + data.std * constant,
            data.std * weights.reshape(self._shape),
            data.std * form.reshape(self._shape + self._shape),
        )

    def _weight_variances(self) -> tuple[float, float, float]:
        sites, (linear, pair, noise) = self._shape[0], self._variances
        return linear / sites, 2 * pair / max(1, sites * (sites - 1)), noise

    def _between_sites(self, form: np.ndarray) -> np.ndarray:
        """Set the pairs of a site with itself to zero."""
        sites, count = self._shape
        return np.asarray(form * np.kron(1 - np.eye(sites), np.ones((count, count))))

    def _fit_variances(self, data: FittedData) -> None:
        """Increase the marginal likelihood, by one step of each variance."""
        best, self._factor = _log_evidence(data, self._variances)
        for which in range(len(self._variances)):
            for factor in VARIANCE_FACTORS:
                variances = self._variances.copy()
                variances[which] = np.clip(factor * variances[which], MIN_VARIANCE, MAX_VARIANCE)
                evidence, cholesky = _log_evidence(data, variances)
                if evidence > best:
                    best, self._factor, self._variances = evidence, cholesky, variances
                    break


def _log_evidence(data: FittedData, variances: np.ndarray) -> tuple[float, CholeskyFactor]:
    """Return the log marginal likelihood, without its constant, and the covariance's factor."""
    linear, pair, noise = variances
    kernel = 1 + linear * data.linear_kernel + pair * data.pair_kernel
    covariance = kernel + noise * np.eye(len(kernel))
    factor = CholeskyFactor(*cho_factor(covariance, lower=True, check_finite=False))
    explained = data.targets @ cho_solve(factor, data.targets, check_finite=False)
    return float(-0.5 * explained - np.log(np.diag(factor.matrix)).sum()), factor


def _feature_scale(count: int) -> float:
    return float((count / (count - 1)) ** 0.5)


def _encode_choices(choices: np.ndarray, count: int) -> np.ndarray:
    """Encode choices (trials, sites) as centred one-hot vectors (trials, sites, count).

    They are scaled so that the product of a site's vector with itself is 1.
    """
    return np.asarray((np.eye(count)[choices] - 1 / count) * _feature_scale(count))
