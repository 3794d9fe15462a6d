"""REINFORCE and PPO on placements: the published controller as it should have been.

The policy is one categorical a site. Four things make it learn from few evaluations:

- *Direct logits and a floor*: each site is drawn evenly with a probability that changes about
  `flips` sites a placement, so that the policy cannot collapse onto one.
- *A baseline for every site*, the reward that a linear model of all trials told expects from the
  other sites. Sites are drawn independently, so what the others explain is only noise to this one;
  and it works for cohorts of one. (Factorised baselines, https://arxiv.org/abs/1803.07246)
- *PPO epochs* with the joint ratio of all sites (https://arxiv.org/abs/1707.06347).
- *Nothing twice*: a known draw is repeated, ever more evenly, and sites are
  dropped from it until it keeps the hard limits.

Rewards are standardised; what failed counts as one standard deviation worse than the worst.
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
    draw,
    mean_entropy,
    most_likely,
    one_hot,
    softmax,
)
from ean_search.search.searchers.constraints import drop_until_feasible
from ean_search.search.searchers.proposal_filter import ProposalFilter

MOST_EVEN = 0.25  # share of even drawing, in spaces of few sites
FAR = 3.0  # standard deviations beyond which an advantage says no more
TINY = 1e-6  # a spread of rewards that means nothing


class Reinforce(Searcher):
    """Learn a placement policy by proximal policy optimisation."""

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
        self._problem, self._space, self._fresh = problem, problem.space, ProposalFilter(problem)
        self._epochs, self._clip, self._entropy_weight = epochs, clip, entropy_weight
        self._ridge, self._tries = ridge, tries
        sites, choices = self._space.sites, self._space.choices
        self._even = min(flips * choices / (sites * (choices - 1)), MOST_EVEN)
        self._logits, self._adam = np.zeros((sites, choices)), Adam(learning_rate)
        self._rewards: dict[Placement, float] = {}  # of all trials told; nan where there is none
        self._order: dict[Placement, int] = {}  # where each stands among them
        self._chosen = np.empty((0, sites, choices))  # all of them in that order, one-hot
        self._asked: dict[Placement, float] = {}  # and the log-probability each was drawn with

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Draw n placements from the policy, new ones as far as possible."""
        policy = self.probabilities()
        return [self._propose(policy, rng) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember all trials, and learn from the placements asked for."""
        self._fresh.add(trial.placement for trial in trials)
        new = list(dict.fromkeys(t.placement for t in trials if t.placement not in self._order))
        if new:
            self._order |= {placement: len(self._order) + i for i, placement in enumerate(new)}
            self._chosen = np.concatenate([self._chosen, one_hot(self._space, new)])
        for trial in trials:
            usable = trial.status in ("done", "stopped") and math.isfinite(trial.reward)
            self._rewards[trial.placement] = trial.reward if usable else math.nan
        mine = dict.fromkeys(t.placement for t in trials if t.placement in self._asked)
        log_asked = [[self._asked.pop(placement)] for placement in mine]
        if mine and not np.isnan(list(self._rewards.values())).all():
            self._learn(list(mine), np.array(log_asked))

    def probabilities(self) -> np.ndarray:
        """Give the policy as (sites, choices)."""
        return (1 - self._even) * softmax(self._logits) + self._even / self._space.choices

    @property
    def entropy(self) -> float:
        """Average the sites' entropies, in nats."""
        return mean_entropy(self.probabilities())

    def best_guess(self) -> Placement:
        """Take every site's likeliest choice."""
        return most_likely(self._space, self.probabilities())

    def _propose(self, policy: np.ndarray, rng: np.random.Generator) -> Placement:
        for even in np.linspace(0, 1, self._tries) ** 2:
            mixed = (1 - even) * policy + even / self._space.choices
            placement = drop_until_feasible(draw(self._space, mixed, rng), self._problem, rng)
            if self._fresh.is_new(placement):
                break
        else:
            placement = self._fresh.near(placement, rng)
        self._fresh.add([placement])
        chosen = policy[np.arange(len(placement)), placement.choices]
        self._asked[placement] = float(np.log(chosen).sum())
        return placement

    def _learn(self, placements: list[Placement], log_asked: np.ndarray) -> None:
        """Climb PPO's clipped objective; log_asked is (placements, 1)."""
        chosen = one_hot(self._space, placements)  # (placements, sites, choices)
        advantages = self._advantages(placements)  # (placements, sites)
        for _ in range(self._epochs):
            policy = self.probabilities()
            log_sites = np.log((chosen * policy).sum(axis=2))
            ratio = np.exp(log_sites.sum(axis=1, keepdims=True) - log_asked)
            clipped = np.where(advantages > 0, ratio > 1 + self._clip, ratio < 1 - self._clip)
            push = np.where(clipped, 0, ratio * advantages)[:, :, None]
            slope = (push * chosen / policy).mean(axis=0)  # of the objective, by probabilities
            slope -= self._entropy_weight * (np.log(policy) + 1)
            self._logits += self._adam.step(self._by_logits(slope))

    def _by_logits(self, slope: np.ndarray) -> np.ndarray:
        """StateHolder a gradient back from probabilities to logits."""
        shares = softmax(self._logits)
        return (1 - self._even) * shares * (slope - (shares * slope).sum(axis=1, keepdims=True))

    def _advantages(self, placements: list[Placement]) -> np.ndarray:
        """Compare scores with what the other sites' choices let expect."""
        scores = self._scores()
        known = self._centred(self._chosen).reshape(len(scores), -1)
        gains, constant = fit_ridge(known, scores, self._ridge)
        here = self._centred(one_hot(self._space, placements))
        parts = (here * gains.reshape(here.shape[1:])).sum(axis=2)
        mine = scores[[self._order[placement] for placement in placements]]
        unexplained = mine - constant - parts.sum(axis=1)
        return np.clip(unexplained[:, None] + parts, -FAR, FAR)

    def _centred(self, chosen: np.ndarray) -> np.ndarray:
        """Describe attachments by how they differ from the policy: (placements, sites, k - 1)."""
        return (chosen - self.probabilities())[:, :, 1:]

    def _scores(self) -> np.ndarray:
        """Standardise all rewards told, in their order."""
        rewards = np.array(list(self._rewards.values()))
        scores = (rewards - np.nanmean(rewards)) / max(np.nanstd(rewards), TINY)
        return np.where(np.isnan(scores), np.nanmin(scores) - 1, scores)


def fit_ridge(inputs: np.ndarray, targets: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    """Fit a linear model with small weights; give weights and constant."""
    center, mean = inputs.mean(axis=0), targets.mean()
    moved = inputs - center
    gram = moved.T @ moved + ridge * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, moved.T @ (targets - mean))
    return weights, float(mean - center @ weights)
