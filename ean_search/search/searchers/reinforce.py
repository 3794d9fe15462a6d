"""REINFORCE and PPO on placements: an improved version of the published controller `ean`.

The policy has one categorical distribution per site. Four features let it learn from few
evaluations:

- *Direct logits and uniform exploration*: with a small probability, the choice of a site is drawn
  uniformly. The probability is such that about `flips` sites change per placement, so the policy
  cannot collapse onto one placement.
- *A baseline per site*: the reward that a linear model of all trials expects from the other sites.
  Sites are drawn independently, so the effect of the others is only noise for this one. It works
  for cohorts of one, too. (Factorised baselines, https://arxiv.org/abs/1803.07246)
- *PPO epochs* with the joint ratio of all sites (https://arxiv.org/abs/1707.06347).
- *No repetitions*: if a draw is known, it is drawn again, more and more uniformly. Sites are
  dropped from a draw until it keeps the hard limits.

Rewards are standardised. A failed trial counts as one standard deviation below the worst reward.
"""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import Trial
from ean_search.search.searchers.adam import Adam
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.categorical_policy import (
    mean_entropy,
    most_likely_placement,
    one_hot,
    sample_placement,
    softmax,
)
from ean_search.search.searchers.constraints import drop_until_feasible
from ean_search.search.searchers.proposal_filter import ProposalFilter

MAX_UNIFORM_SHARE = 0.25  # of uniform exploration, which is greater in spaces with few sites
MAX_ADVANTAGE = 3.0  # in standard deviations of the rewards; larger advantages are clipped
MIN_REWARD_STD = 1e-6  # a smaller one is a rounding error


class Reinforce(Searcher):
    """Learn a placement policy by proximal policy optimisation.

    Args:
        problem: The space, the objective and the costs.
        learning_rate: Adam's learning rate for the logits.
        epochs: The number of gradient steps per cohort.
        clip: By how much the ratio of new and old probabilities may differ from 1.
        entropy_weight: The weight of the entropy bonus.
        flips: The mean number of sites per placement that uniform exploration changes.
        ridge: The regularisation of the linear model that gives the baselines.
        tries: The maximum number of draws per proposal before a known draw is changed instead.
    """

    cohort = 4

    def __init__(
        self,
        problem: Problem,
        *,
        learning_rate: PositiveFloat = 0.1,
        epochs: PositiveInt = 8,
        clip: PositiveFloat = 0.5,
        entropy_weight: NonNegativeFloat = 0.02,
        flips: PositiveFloat = 1.0,
        ridge: PositiveFloat = 1.0,
        tries: PositiveInt = 32,
    ) -> None:
        self._problem, self._space, self._filter = problem, problem.space, ProposalFilter(problem)
        self._epochs, self._clip, self._entropy_weight = epochs, clip, entropy_weight
        self._ridge, self._tries = ridge, tries
        sites, choices = self._space.sites, self._space.choices
        self._uniform_share = min(flips * choices / (sites * (choices - 1)), MAX_UNIFORM_SHARE)
        self._logits, self._adam = np.zeros((sites, choices)), Adam(learning_rate)
        self._rewards: dict[Placement, float] = {}  # of all trials told; nan if there is none
        self._index: dict[Placement, int] = {}  # the position of each in the order of telling
        self._chosen = np.empty((0, sites, choices))  # their one-hot choices, in this order
        self._log_asked: dict[Placement, float] = {}  # log-probabilities of proposals, when drawn

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Draw n placements from the policy, and new ones if possible."""
        policy = self.probabilities()
        return [self._propose(policy, rng) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember all trials, and learn from its own proposals."""
        self._filter.mark_seen(trial.placement for trial in trials)
        self._remember(trials)
        proposed = dict.fromkeys(t.placement for t in trials if t.placement in self._log_asked)
        log_asked = [[self._log_asked.pop(placement)] for placement in proposed]
        if proposed and not np.isnan(list(self._rewards.values())).all():
            self._learn(list(proposed), np.array(log_asked))

    def probabilities(self) -> np.ndarray:
        """Return the policy, (sites, choices)."""
        uniform = self._uniform_share / self._space.choices
        return (1 - self._uniform_share) * softmax(self._logits) + uniform

    @property
    def entropy(self) -> float:
        """Return the mean entropy of the sites, in nats."""
        return mean_entropy(self.probabilities())

    def best_guess(self) -> Placement:
        """Return the placement with the most likely choice of each site."""
        return most_likely_placement(self._space, self.probabilities())

    def _remember(self, trials: Sequence[Trial]) -> None:
        new = list(dict.fromkeys(t.placement for t in trials if t.placement not in self._index))
        if new:
            self._index |= {placement: len(self._index) + i for i, placement in enumerate(new)}
            self._chosen = np.concatenate([self._chosen, one_hot(self._space, new)])
        for trial in trials:
            usable = trial.status in ("done", "stopped") and math.isfinite(trial.reward)
            self._rewards[trial.placement] = trial.reward if usable else math.nan

    def _propose(self, policy: np.ndarray, rng: np.random.Generator) -> Placement:
        for uniform_share in np.linspace(0, 1, self._tries) ** 2:
            mixed = (1 - uniform_share) * policy + uniform_share / self._space.choices
            placement = sample_placement(self._space, mixed, rng)
            placement = drop_until_feasible(placement, self._problem, rng)
            if self._filter.accepts(placement):
                break
        else:
            placement = self._filter.find_new_near(placement, rng)
        self._filter.mark_seen([placement])
        chosen = policy[np.arange(len(placement)), placement.choices]
        self._log_asked[placement] = float(np.log(chosen).sum())
        return placement

    def _learn(self, placements: list[Placement], log_asked: np.ndarray) -> None:
        """Increase PPO's clipped objective; log_asked is (placements, 1)."""
        chosen = one_hot(self._space, placements)  # (placements, sites, choices)
        advantages = self._advantages(placements)  # (placements, sites)
        for _ in range(self._epochs):
            policy = self.probabilities()
            log_sites = np.log((chosen * policy).sum(axis=2))
            ratio = np.exp(log_sites.sum(axis=1, keepdims=True) - log_asked)
            clipped = np.where(advantages > 0, ratio > 1 + self._clip, ratio < 1 - self._clip)
            weights = np.where(clipped, 0, ratio * advantages)[:, :, None]
            gradient = (weights * chosen / policy).mean(axis=0)  # with respect to probabilities
            gradient -= self._entropy_weight * (np.log(policy) + 1)
            self._logits += self._adam.step(self._logit_gradient(gradient))

    def _logit_gradient(self, gradient: np.ndarray) -> np.ndarray:
        """Propagate a gradient from the probabilities back to the logits."""
        shares = softmax(self._logits)
        mean = (shares * gradient).sum(axis=1, keepdims=True)
        return np.asarray((1 - self._uniform_share) * shares * (gradient - mean))

    def _advantages(self, placements: list[Placement]) -> np.ndarray:
        """Return scores minus the scores expected from the other sites, (placements, sites)."""
        scores = self._scores()
        known = self._centre(self._chosen).reshape(len(scores), -1)
        gains, constant = fit_ridge(known, scores, self._ridge)
        chosen = self._centre(one_hot(self._space, placements))
        parts = (chosen * gains.reshape(chosen.shape[1:])).sum(axis=2)
        own_scores = scores[[self._index[placement] for placement in placements]]
        unexplained = own_scores - constant - parts.sum(axis=1)
        advantages = unexplained[:, None] + parts
        return np.asarray(np.clip(advantages, -MAX_ADVANTAGE, MAX_ADVANTAGE))

    def _centre(self, chosen: np.ndarray) -> np.ndarray:
        """Subtract the policy from one-hot choices; (placements, sites, choices - 1)."""
        return np.asarray((chosen - self.probabilities())[:, :, 1:])

    def _scores(self) -> np.ndarray:
        """Return all rewards, standardised, in the order in which they were told."""
        rewards = np.array(list(self._rewards.values()))
        scores = (rewards - np.nanmean(rewards)) / max(np.nanstd(rewards), MIN_REWARD_STD)
        return np.asarray(np.where(np.isnan(scores), np.nanmin(scores) - 1, scores))


def fit_ridge(inputs: np.ndarray, targets: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    """Fit a linear model by ridge regression.

    Args:
        inputs: (samples, features).
        targets: (samples,).
        ridge: The penalty on squared weights.

    Returns:
        The weights, (features,), and the constant.
    """
    center, mean = inputs.mean(axis=0), targets.mean()
    centred = inputs - center
    gram = centred.T @ centred + ridge * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, centred.T @ (targets - mean))
    return weights, float(mean - center @ weights)
