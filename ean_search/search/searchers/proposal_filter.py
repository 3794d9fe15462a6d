"""New placements within the limits: what every searcher falls back on when its own are neither.

Knows what was proposed or told, and nothing of rewards.
"""

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from ean_search.core.objective import Problem
from ean_search.core.space import Placement, Space
from ean_search.search.searchers.constraints import drop_until_feasible, is_feasible

SMALL = 4096  # placements that may be listed to find the last new ones
TRIES = 64


class ProposalFilter:
    """Remember placements, and find others."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._seen: set[Placement] = set()

    def add(self, placements: Iterable[Placement]) -> None:
        """Remember placements."""
        self._seen.update(placements)

    def is_new(self, placement: Placement) -> bool:
        """Say whether a placement was not seen and keeps all limits."""
        return placement not in self._seen and is_feasible(placement, self._problem)

    def draw(self, rng: np.random.Generator) -> Placement:
        """Draw a new placement, its count of attachments evenly."""
        return self.near(self._problem.space.sample(rng), rng)

    def near(self, placement: Placement, rng: np.random.Generator) -> Placement:
        """Return this placement if it is new, else one near it, and remember what is returned."""
        sites = self._problem.space.sites
        if len(self._seen) >= self._problem.space.size:
            return placement  # there is nothing new to look for
        for attempt in range(TRIES + 1):
            flips = int(sites ** (attempt / TRIES)) if attempt else 0  # further and further
            other = changed(placement, self._problem.space, flips, rng)
            other = drop_until_feasible(other, self._problem, rng)
            if self.is_new(other):
                break
        else:
            left = self.last(rng) if self._is_small else self._anywhere(rng)
            other = left or placement
        self._seen.add(other)
        return other

    def _anywhere(self, rng: np.random.Generator) -> Placement | None:
        """Draw from the whole space, for limits that thinning cannot reach, or return none."""
        draws = (self._problem.space.sample(rng) for _ in range(10 * TRIES))
        return next(filter(self.is_new, draws), None)

    def last(self, rng: np.random.Generator) -> Placement | None:
        """Draw from all new placements of a small space, or return none."""
        left = [placement for placement in self._listed if self.is_new(placement)]
        return left[rng.integers(len(left))] if left else None

    @property
    def _is_small(self) -> bool:
        return self._problem.space.size <= SMALL

    @cached_property
    def _listed(self) -> list[Placement]:
        """List a small space, once."""
        return self._problem.space.enumerate() if self._is_small else []


def changed(placement: Placement, space: Space, sites: int, rng: np.random.Generator) -> Placement:
    """Give so many random sites another choice."""
    choices = np.array(placement.choices)
    where = rng.choice(space.sites, size=sites, replace=False)
    choices[where] = (choices[where] + rng.integers(1, space.choices, size=sites)) % space.choices
    return space.placement(choices)
