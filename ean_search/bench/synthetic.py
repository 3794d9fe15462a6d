"""Synthetic landscapes to compare searchers on: attachments have values, and so have pairs of them.

Values are normal and seeded. Terms of three sites can be switched on, because a pairwise model
should not only be judged where it is right. Over all placements the reward's standard deviation is
one accuracy point. Measurements add noise to the reward, the same at every measurement of a
placement. Up to 16 sites the optimum is found by enumeration. Beyond that it is found by annealing
from many starts, which is a lower bound that no searcher was seen to exceed.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from ean_search.core.attention_choice import AttentionChoice
from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Placement, Space
from ean_search.core.trial import EvaluationResult
from ean_search.testing.toy import price

STAGES = {
    16: (3, 4, 6, 3),
    54: (18, 18, 18),
    200: (50, 50, 50, 50),
}  # sites per stage, by number of sites
MEAN_REWARD = 0.6
REWARD_STD = 0.01  # over all placements
MAX_ENUMERATED_SITES = 16
TRIPLES_PER_SITE = 4
ANNEALING_CHAINS = 256
ANNEALING_SWEEPS = 150


@dataclass(frozen=True)
class Landscape:
    """One random landscape of binary sites.

    It is a task for `run_searcher` and an evaluator for `run_search`.

    Args:
        sites: Number of sites.
        seed: Seed of the landscape, of its measurements' noise and of the searcher.
        pair_share: Share of the reward's variance that pairs of sites make.
        triple_share: Share that triples of sites make; single sites make the rest.
        noise: Standard deviation of a measurement, in standard deviations of the reward.
    """

    sites: int
    seed: int
    pair_share: float = 0.4
    triple_share: float = 0.0
    noise: float = 0.1

    @property
    def name(self) -> str:
        """Name landscapes by their size."""
        return f"{self.sites} sites"

    @property
    def reward_std(self) -> float:
        """Return the standard deviation of rewards."""
        return REWARD_STD

    @cached_property
    def problem(self) -> Problem:
        """Return the search problem, with the objective of EAN."""
        stages = STAGES.get(self.sites, (self.sites,))
        attention = (AttentionChoice(name="se"),)
        space = Space(name=f"m{self.sites}", backbone="none", attention=attention, stages=stages)
        return Problem(space, Objective.parse("accuracy - 0.02 sites"), price)

    def reward(self, placement: Placement) -> float:
        """Return a placement's reward without noise."""
        return _to_reward(self.standard_rewards(np.array([placement.choices]))[0])

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Yield noisy accuracies of placements, as an evaluator does."""
        for placement in placements:
            bits = int("".join(map(str, placement.choices)), 2)
            deviate = np.random.default_rng((self.seed, bits)).normal()
            reward = self.reward(placement) + REWARD_STD * self.noise * deviate
            accuracy = reward + 0.02 * placement.attached / self.sites
            error = REWARD_STD * self.noise or None
            yield EvaluationResult(accuracy, 0.0, standard_error=error)

    def standard_rewards(self, bits: np.ndarray) -> np.ndarray:
        """Return rewards in standard deviations around their mean, (placements,).

        Args:
            bits: Whether each site is attached, (placements, sites), as 0 and 1.
        """
        single, pair, triple = self._terms
        signs = 2.0 * bits - 1
        rewards = signs @ single + ((signs @ pair) * signs).sum(axis=1) / 2
        if self.triple_share:
            a, b, c = self._triples.T
            rewards += signs[:, a] * signs[:, b] * signs[:, c] @ triple
        return np.asarray(rewards)

    @cached_property
    def reward_range(self) -> tuple[float, float]:
        """Return the least and the greatest reward."""
        if self.sites <= MAX_ENUMERATED_SITES:
            index = np.arange(2**self.sites)[:, None]
            rewards = self.standard_rewards(index >> np.arange(self.sites) & 1)
            return _to_reward(rewards.min()), _to_reward(rewards.max())
        return self.anneal_range()

    def anneal_range(self) -> tuple[float, float]:
        """Estimate the least and the greatest reward by annealing."""
        return _to_reward(-self._anneal(-1.0)), _to_reward(self._anneal(1.0))

    @cached_property
    def _triples(self) -> np.ndarray:
        """Choose the triples of sites that have a value: (triples, 3)."""
        rng = np.random.default_rng((self.seed, self.sites, 3))
        triples = np.array(list(combinations(range(self.sites), 3)))
        return rng.permutation(triples)[: TRIPLES_PER_SITE * self.sites]

    @cached_property
    def _terms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw the values of sites, of pairs (a symmetric matrix) and of triples."""
        rng, sites = np.random.default_rng((self.seed, self.sites)), self.sites
        triples = min(math.comb(sites, 3), TRIPLES_PER_SITE * sites)
        single, triple = rng.normal(size=sites), rng.normal(size=triples)
        pair = np.triu(rng.normal(size=(sites, sites)), k=1)
        single = _scale(single, 1 - self.pair_share - self.triple_share)
        pair, triple = _scale(pair, self.pair_share), _scale(triple, self.triple_share)
        return single, pair + pair.T, triple

    def _anneal(self, sign: float) -> float:
        """Return the greatest `sign` times standard reward that many chains find while cooling."""
        rng = np.random.default_rng(0)
        signs = rng.choice([-1.0, 1.0], size=(ANNEALING_CHAINS, self.sites))
        rewards = best = sign * self.standard_rewards((signs + 1) / 2)
        for temperature in np.geomspace(1.0, 0.01, ANNEALING_SWEEPS):
            for site in rng.permutation(self.sites):
                change = sign * self._flip_gain(signs, site)
                accepted = np.log(rng.random(ANNEALING_CHAINS)) < change / temperature
                signs[accepted, site] *= -1
                rewards = np.where(accepted, rewards + change, rewards)
                best = np.maximum(best, rewards)
        return float(best.max())

    def _flip_gain(self, signs: np.ndarray, site: int) -> np.ndarray:
        """Return what flipping one site adds to the rewards of signs (placements, sites)."""
        single, pair, triple = self._terms
        force = single[site] + signs @ pair[:, site]
        if self.triple_share:
            here = (self._triples == site).any(axis=1)
            force += signs[:, self._triples[here]].prod(axis=2) @ triple[here] * signs[:, site]
        return -2 * signs[:, site] * force


def _scale(values: np.ndarray, share: float) -> np.ndarray:
    """Scale values so that their terms make a share of the variance."""
    return values * (share / (values**2).sum()) ** 0.5


def _to_reward(standard_reward: float) -> float:
    return MEAN_REWARD + REWARD_STD * float(standard_reward)
