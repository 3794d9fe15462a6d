"""REINFORCE and PPO on placements: the published controller as it should have been.

The policy is one categorical a site. Four things make it learn from few evaluations:

- *Direct logits and a floor*: each site is drawn evenly with a probability that changes about
  `flips` sites a placement, so that the policy cannot collapse onto one.
- *A baseline for every site*, the reward that a linear model of all trials told expects from the
  other sites. Sites are drawn independently, so what the others explain is only noise to this one;
  and it works for cohorts of one. (Factorised baselines, https://arxiv.org/abs/1803.07246)
- *PPO epochs* with the joint ratio of all sites (https://arxiv.org/abs/1707.06347).
- *Nothing twice*, while something new is in reach: a draw already known is drawn again, ever more
  evenly. One that breaks a hard limit is thinned until it holds.

Rewards are standardised, so their unit does not matter; what failed or broke a limit counts as one
standard deviation worse than the worst. There is no curiosity.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from ean_search.objective import Problem
from ean_search.searchers.categorical import draw, mean_entropy, most_likely, one_hot
from ean_search.searchers.limits import allowed, thinned
from ean_search.space import Placement
from ean_search.trial import Trial

MOST_EVEN = 0.25  # share of even drawing, in spaces of few sites
FAR = 3.0  # standard deviations beyond which an advantage says no more
TINY = 1e-9  # a spread of rewards that is rounding


class Reinforce:
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
        ridge: PositiveFloat = 2.0,
        tries: PositiveInt = 32,
    ) -> None:
        self._problem, self._space = problem, problem.space
        self._epochs, self._clip, self._entropy_weight = epochs, clip, entropy_weight
        self._ridge, self._tries = ridge, tries
        sites, choices = self._space.sites, self._space.choices
        self._even = min(flips * choices / (sites * (choices - 1)), MOST_EVEN)
        self._logits = torch.zeros(sites, choices, dtype=torch.float64, requires_grad=True)
        self._adam = torch.optim.Adam([self._logits], learning_rate)
        self._rewards: dict[Placement, float] = {}  # of all trials told; nan where there is none
        self._asked: dict[Placement, float] = {}  # and the log-probability each was drawn with

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Draw n placements from the policy, new ones as far as possible."""
        policy = self.probabilities()
        return [self._propose(policy, rng) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember all trials, and learn from the placements asked for."""
        for trial in trials:
            usable = trial.status == "done" and math.isfinite(trial.reward)
            self._rewards[trial.placement] = trial.reward if usable else math.nan
        mine = dict.fromkeys(t.placement for t in trials if t.placement in self._asked)
        log_asked = [[self._asked.pop(placement)] for placement in mine]
        if mine and not np.isnan(list(self._rewards.values())).all():
            self._learn(list(mine), torch.tensor(log_asked, dtype=torch.float64))

    def probabilities(self) -> np.ndarray:
        """Give the policy as (sites, choices)."""
        return self._policy().detach().numpy()

    @property
    def entropy(self) -> float:
        """Average the sites' entropies, in nats."""
        return mean_entropy(self.probabilities())

    def best_guess(self) -> Placement:
        """Take every site's likeliest choice."""
        return most_likely(self._space, self.probabilities())

    def _policy(self) -> Tensor:
        return (1 - self._even) * self._logits.softmax(dim=1) + self._even / self._space.choices

    def _propose(self, policy: np.ndarray, rng: np.random.Generator) -> Placement:
        for even in np.linspace(0, 1, self._tries) ** 2:
            mixed = (1 - even) * policy + even / self._space.choices
            placement = thinned(draw(self._space, mixed, rng), self._problem, rng)
            new = placement not in self._rewards and placement not in self._asked
            if new and allowed(placement, self._problem):
                break
        chosen = policy[np.arange(len(placement)), placement.choices]
        self._asked[placement] = float(np.log(chosen).sum())
        return placement

    def _learn(self, placements: list[Placement], log_asked: Tensor) -> None:
        """Climb the clipped objective of PPO, every site with its own advantage."""
        chosen = torch.tensor(one_hot(self._space, placements))
        advantages = torch.tensor(self._advantages(placements))
        for _ in range(self._epochs):
            policy = self._policy()
            log_site = (chosen * policy.log()).sum(dim=2)  # (placements, sites)
            log_ratio = log_site.detach().sum(dim=1, keepdim=True) - log_asked
            # The ratio is that of whole placements; its gradient goes through one site at a time.
            ratio = (log_ratio + log_site - log_site.detach()).exp()
            clipped = ratio.clamp(1 - self._clip, 1 + self._clip)
            gain = torch.minimum(ratio * advantages, clipped * advantages).mean(dim=0).sum()
            entropy = -(policy * policy.log()).sum()
            self._adam.zero_grad()
            (-gain - self._entropy_weight * entropy).backward()
            self._adam.step()

    def _advantages(self, placements: list[Placement]) -> np.ndarray:
        """Compare scores with what the other sites' choices let expect: (placements, sites)."""
        policy = self.probabilities()
        known = (one_hot(self._space, list(self._rewards)) - policy).reshape(-1, policy.size)
        scores = self._scores()
        weights, constant = fit_ridge(known, np.array(list(scores.values())), self._ridge)
        centred = one_hot(self._space, placements) - policy
        parts = (centred * weights.reshape(policy.shape)).sum(axis=2)
        here = np.array([scores[placement] for placement in placements])
        unexplained = here - constant - parts.sum(axis=1)
        return np.clip(unexplained[:, None] + parts, -FAR, FAR)

    def _scores(self) -> dict[Placement, float]:
        """Standardise all rewards told."""
        rewards = np.array(list(self._rewards.values()))
        scores = (rewards - np.nanmean(rewards)) / max(np.nanstd(rewards), TINY)
        filled = np.where(np.isnan(scores), np.nanmin(scores) - 1, scores)
        return dict(zip(self._rewards, filled, strict=True))


def fit_ridge(inputs: np.ndarray, targets: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    """Fit a linear model with small weights; give weights and constant."""
    center, mean = inputs.mean(axis=0), targets.mean()
    moved = inputs - center
    gram = moved.T @ moved + ridge * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, moved.T @ (targets - mean))
    return weights, float(mean - center @ weights)
