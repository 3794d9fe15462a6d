"""Landscapes to compare searchers on: every attachment has a value, and so has every pair.

Values are normal and seeded; terms of three sites are there to be switched on, because a pairwise
model should not only be judged where it is right. Over all placements the reward's standard
deviation is one accuracy point. What is measured adds noise of its own to each placement, the same
at every look. At 16 sites the optimum is found by listing all placements; beyond that by annealing
from many starts, which is a bound from below that no searcher was seen to pass.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Placement, Space
from ean_search.core.trial import EvaluationResult
from ean_search.testing.toy import price

STAGES = {16: (3, 4, 6, 3), 54: (18, 18, 18)}
POINT = 0.01  # the reward's standard deviation over all placements
LISTED = 16  # sites up to which all placements are looked at
CHAINS, SWEEPS = 256, 150  # of the annealing


@dataclass(frozen=True)
class Landscape:
    """One random landscape of binary sites."""

    sites: int
    seed: int
    pairs: float = 0.4  # share of the variance that pairs of sites make
    triples: float = 0.0  # and that threes make; single sites make the rest
    noise: float = 0.1  # of a measurement, in standard deviations of the reward

    @property
    def name(self) -> str:
        """Name landscapes by their size."""
        return f"{self.sites} sites"

    @property
    def spread(self) -> float:
        """Return the standard deviation of rewards."""
        return POINT

    @cached_property
    def problem(self) -> Problem:
        """Ask for what EAN asked for."""
        stages = STAGES.get(self.sites, (self.sites,))
        space = Space(name=f"m{self.sites}", backbone="none", attention=["se"], stages=stages)
        return Problem(space, Objective.parse("accuracy - 0.02 sites"), price)

    def reward(self, placement: Placement) -> float:
        """Return a placement's reward without noise."""
        return 0.6 + POINT * float(self.heights(np.array([placement.choices]))[0])

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Measure placements as an evaluator does."""
        for placement in placements:
            bits = int("".join(map(str, placement.choices)), 2)
            luck = np.random.default_rng((self.seed, bits)).normal()
            reward = self.reward(placement) + POINT * self.noise * luck
            yield EvaluationResult(reward + 0.02 * placement.attached / self.sites, 0.0)

    def heights(self, bits: np.ndarray) -> np.ndarray:
        """Compute rewards in standard deviations around their mean: (placements,)."""
        signs = 2.0 * bits - 1
        pairs = ((signs @ self._terms[1]) * signs).sum(axis=1) / 2
        a, b, c = self._threes.T
        return (
            signs @ self._terms[0]
            + pairs
            + signs[:, a] * signs[:, b] * signs[:, c] @ self._terms[2]
        )

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Return the least and the greatest reward."""
        if self.sites <= LISTED:
            index = np.arange(2**self.sites)[:, None]
            heights = self.heights(index >> np.arange(self.sites) & 1)
            least, most = heights.min(), heights.max()
        else:
            least, most = -self._anneal(-1.0), self._anneal(1.0)
        return 0.6 + POINT * float(least), 0.6 + POINT * float(most)

    @cached_property
    def _threes(self) -> np.ndarray:
        """Choose the threes that matter: (threes, 3), some four a site."""
        rng = np.random.default_rng((self.seed, self.sites, 3))
        every = np.array(list(combinations(range(self.sites), 3)))
        return rng.permutation(every)[: 4 * self.sites]

    @cached_property
    def _terms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw what sites, pairs (a symmetric matrix) and threes are worth."""
        rng, m = np.random.default_rng((self.seed, self.sites)), self.sites
        single, triple = rng.normal(size=m), rng.normal(size=len(self._threes))
        pair = np.triu(rng.normal(size=(m, m)), k=1)
        shares = (1 - self.pairs - self.triples, self.pairs, self.triples)
        terms = (single, pair, triple)
        single, pair, triple = (
            term * (share / (term**2).sum()) ** 0.5
            for term, share in zip(terms, shares, strict=True)
        )
        return single, pair + pair.T, triple

    def _anneal(self, sign: float) -> float:
        """Climb with many chains at once from hot to cold; return the greatest height."""
        rng = np.random.default_rng(0)
        signs = rng.choice([-1.0, 1.0], size=(CHAINS, self.sites))
        heights = best = sign * self.heights((signs + 1) / 2)
        for heat in np.geomspace(1.0, 0.01, SWEEPS):
            for site in rng.permutation(self.sites):
                change = sign * self._change(signs, site)
                taken = np.log(rng.random(CHAINS)) < change / heat
                signs[taken, site] *= -1
                heights = np.where(taken, heights + change, heights)
                best = np.maximum(best, heights)
        return float(best.max())

    def _change(self, signs: np.ndarray, site: int) -> np.ndarray:
        """Say what changing one site adds to the heights of signs (placements, sites)."""
        single, pair, triple = self._terms
        force = single[site] + signs @ pair[:, site]
        if self.triples:
            here = (self._threes == site).any(axis=1)
            force += signs[:, self._threes[here]].prod(axis=2) @ triple[here] * signs[:, site]
        return -2 * signs[:, site] * force
