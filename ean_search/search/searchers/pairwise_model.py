"""A Bayesian model of placements: the effect of each choice, and of each pair of choices.

All computations use the products between placements (a Gram matrix), so that thousands of pairs
cost no more than the trials told. New trials are added to the factor of their covariance; it is
computed anew only when the variances of the prior are fitted, more and more rarely. Beyond
`MAX_TRIALS`, the model forgets its earliest trials. Effects of three choices together are part of
each placement's residual. The residual is a part of its true accuracy; a trial's standard error is
not, and the model removes what it can of it.

Bayesian linear regression as a Gaussian process, https://gaussianprocess.org/gpml, chapter 2;
draws from the posterior by Matheron's rule, https://arxiv.org/abs/2002.09309.
"""

import numpy as np

from ean_search.search.searchers.forecast import Forecast
from ean_search.search.searchers.inverse_factor import InverseFactor
from ean_search.search.searchers.pairwise_kernel import Variances, feature_products, fit_variances
from ean_search.search.searchers.quadratic import QuadraticFunctions, encode

MIN_ACCURACY_STD = 1e-9
MAX_TRIALS, KEPT_TRIALS = 1024, 512
MAX_FITTED_TRIALS = 256  # the latest ones, to which the variances are fitted
REFIT_GROWTH = 1.2  # by this factor the number of trials grows from one fit to the next


class PairwiseModel:
    """Learns the accuracies of placements, forecasts others, and draws functions that explain them.

    Args:
        sites: The number of sites.
        choices: The number of choices per site.
    """

    def __init__(self, sites: int, choices: int) -> None:
        self._sites, self._choices = sites, choices
        self._features = np.empty((0, sites * (choices - 1)))
        self._accuracies, self._errors = np.empty(0), np.empty(0)
        self._variances, self._std = Variances(), 1.0  # the variances are relative to this one
        self._factor, self._next_fit = InverseFactor(), 0.0
        self._solved = np.empty(0)  # the product of the inverse covariance and the targets

    def __len__(self) -> int:
        return len(self._accuracies)

    def add(self, placements: np.ndarray, accuracies: np.ndarray, errors: np.ndarray) -> None:
        """Add trials.

        Args:
            placements: The choices of the trials, (trials, sites).
            accuracies: Their accuracies, (trials,).
            errors: The standard errors of these; 0 for what is exact, (trials,).
        """
        features = encode(placements, self._choices)
        self._features = np.concatenate([self._features, features])
        self._accuracies = np.concatenate([self._accuracies, accuracies])
        self._errors = np.concatenate([self._errors, errors])
        if len(self) > MAX_TRIALS:
            self._forget_all_but(KEPT_TRIALS)
        if len(self) >= self._next_fit:
            self._fit_variances()
        self._extend_factor()
        self._solved = self._factor.solve(self._targets)

    def smoothed(self) -> np.ndarray:
        """Return the expected true accuracies of the trials that the model keeps, in their order.

        That of a trial without error is the accuracy that was measured.
        """
        return np.asarray(self._accuracies - self._errors**2 * self._solved / self._std)

    def forecast(self, placements: np.ndarray) -> Forecast:
        """Forecast the accuracies of untried placements, by their choices, (placements, sites)."""
        features = encode(placements, self._choices)
        cross = self._covariance(self._features, features)
        projected = self._factor.matrix @ cross
        covariance = self._covariance(features, features) - projected.T @ projected
        return Forecast(
            self._mean + self._std * (self._solved @ cross),
            self._std**2 * covariance,
            self._std**2 * self._variances.residual,
        )

    def draw(self, rng: np.random.Generator, spreads: np.ndarray) -> QuadraticFunctions:
        """Draw functions from the posterior.

        Args:
            rng: The random generator.
            spreads: For each function, the scale of its deviation from the posterior's mean: 1
                gives a fair draw, 0 the mean itself.
        """
        features, size, count = self._features, self._features.shape[1], len(spreads)
        linear, pair = self._variances.of_weights(self._sites)
        # Functions from the prior, and what they would give for the trials.
        constants = spreads * rng.normal(size=count)
        weights = (spreads * linear**0.5)[:, None] * rng.normal(size=(count, size))
        scales = (spreads * pair**0.5)[:, None, None]
        forms = np.triu(scales * rng.normal(size=(count, size, size)))
        forms = self._between_sites(forms + forms.transpose(0, 2, 1))
        priors = constants[:, None] + weights @ features.T
        priors += 0.5 * ((features @ forms) * features).sum(axis=2)
        priors += spreads[:, None] * self._noise**0.5 * rng.normal(size=priors.shape)
        # Matheron's rule: correct them by what is missing at the trials.
        missing = self._solved - self._factor.solve(priors.T).T
        constants += missing.sum(axis=1)
        weights += linear * missing @ features
        forms += pair * self._between_sites((features.T * missing[:, None]) @ features)
        scaled = (self._std * part for part in (constants + self._mean / self._std, weights, forms))
        return QuadraticFunctions(self._choices, *scaled)

    @property
    def _mean(self) -> float:
        return float(self._accuracies.mean())

    @property
    def _targets(self) -> np.ndarray:
        return (self._accuracies - self._mean) / self._std

    @property
    def _noise(self) -> np.ndarray:
        """Return the variance of each trial around the pairwise function."""
        return self._variances.residual + (self._errors / self._std) ** 2

    def _covariance(self, some: np.ndarray, others: np.ndarray) -> np.ndarray:
        return feature_products(some, others, self._sites).covariance(self._variances)

    def _between_sites(self, forms: np.ndarray) -> np.ndarray:
        """Set the pairs of a site with itself to zero."""
        width = self._choices - 1
        return np.asarray(forms * np.kron(1 - np.eye(self._sites), np.ones((width, width))))

    def _fit_variances(self) -> None:
        """Fit the variances to the latest trials; the factor starts anew."""
        self._std = max(float(self._accuracies.std()), MIN_ACCURACY_STD)
        latest = slice(-MAX_FITTED_TRIALS, None)
        products = feature_products(self._features[latest], self._features[latest], self._sites)
        noise = (self._errors[latest] / self._std) ** 2
        self._variances = fit_variances(self._variances, products, self._targets[latest], noise)
        self._factor, self._next_fit = InverseFactor(), REFIT_GROWTH * len(self)

    def _extend_factor(self) -> None:
        known, new = np.split(self._features, [self._factor.size])
        own = self._covariance(new, new) + np.diag(self._noise[self._factor.size :])
        self._factor.append(self._covariance(known, new), own)

    def _forget_all_but(self, kept: int) -> None:
        """Drop the earliest trials; the variances are fitted anew."""
        self._features, self._errors = self._features[-kept:], self._errors[-kept:]
        self._accuracies, self._next_fit = self._accuracies[-kept:], 0.0
