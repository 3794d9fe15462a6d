"""New placements that keep the limits: searchers use this when their own proposals are neither.

The filter remembers which placements were proposed or told; it does not use their rewards.
"""

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from ean_search.core.objective import Problem
from ean_search.core.space import Placement, Space
from ean_search.search.searchers.constraints import drop_until_feasible, is_feasible

MAX_LISTED_PLACEMENTS = 4096  # spaces up to this size are listed to find the last new placements
ATTEMPTS_NEARBY = 64
ATTEMPTS_ANYWHERE = 10 * ATTEMPTS_NEARBY


class ProposalFilter:
    """The placements seen so far, and a way to find new ones that keep the limits."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._seen: set[Placement] = set()

    def mark_seen(self, placements: Iterable[Placement]) -> None:
        """Remember placements that were proposed or told."""
        self._seen.update(placements)

    def accepts(self, placement: Placement) -> bool:
        """Tell whether a placement is new and keeps all limits."""
        return placement not in self._seen and is_feasible(placement, self._problem)

    def sample_new(self, rng: np.random.Generator) -> Placement:
        """Draw a random new placement, and mark it as seen."""
        return self.find_new_near(self._problem.space.sample(rng), rng)

    def find_new_near(self, placement: Placement, rng: np.random.Generator) -> Placement:
        """Return a placement if it is new, or else a new one near it; mark the result as seen.

        Args:
            placement: The preferred placement.
            rng: Draws the changes; more and more sites are changed until a placement is accepted.

        Returns:
            A new placement that keeps the limits; the preferred one if none was found.
        """
        space = self._problem.space
        if len(self._seen) >= space.size:
            return placement  # the whole space was seen
        for attempt in range(ATTEMPTS_NEARBY + 1):
            num_changes = int(space.sites ** (attempt / ATTEMPTS_NEARBY)) if attempt else 0
            candidate = change_sites(placement, space, num_changes, rng)
            candidate = drop_until_feasible(candidate, self._problem, rng)
            if self.accepts(candidate):
                break
        else:
            anywhere = self.sample_remaining(rng) if self._is_listed else self._sample_anywhere(rng)
            candidate = anywhere or placement
        self._seen.add(candidate)
        return candidate

    def sample_remaining(self, rng: np.random.Generator) -> Placement | None:
        """Draw one of all new placements of a small space; return None if there are none."""
        remaining = [placement for placement in self._all_placements if self.accepts(placement)]
        return remaining[rng.integers(len(remaining))] if remaining else None

    def _sample_anywhere(self, rng: np.random.Generator) -> Placement | None:
        """Draw from the whole space, for limits that detaching sites cannot reach."""
        draws = (self._problem.space.sample(rng) for _ in range(ATTEMPTS_ANYWHERE))
        return next(filter(self.accepts, draws), None)

    @property
    def _is_listed(self) -> bool:
        return self._problem.space.size <= MAX_LISTED_PLACEMENTS

    @cached_property
    def _all_placements(self) -> list[Placement]:
        return self._problem.space.enumerate() if self._is_listed else []


def change_sites(
    placement: Placement, space: Space, num_sites: int, rng: np.random.Generator
) -> Placement:
    """Give random sites another choice.

    Args:
        placement: The placement to start from.
        space: Its space.
        num_sites: The number of sites to change.
        rng: Draws the sites and their new choices.

    Returns:
        A placement that differs from the given one at exactly `num_sites` sites.
    """
    choices = np.array(placement.choices)
    sites = rng.choice(space.sites, size=num_sites, replace=False)
    shifts = rng.integers(1, space.choices, size=num_sites)
    choices[sites] = (choices[sites] + shifts) % space.choices
    return space.placement(choices)
