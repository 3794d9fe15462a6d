"""Random search: draw how many sites carry attention evenly, then which ones.

Drawing every site on its own instead would put nearly all placements at half the sites. It learns
nothing; it only avoids what it has already seen.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import PositiveInt

from ean_search.objective import Problem
from ean_search.searchers.limits import allowed
from ean_search.space import Placement
from ean_search.trial import Trial

SMALL = 4096  # placements that may be listed to find the last unseen ones


class Random:
    """Propose placements at random, none of them twice while there are others."""

    cohort = 4

    def __init__(self, problem: Problem, *, tries: PositiveInt = 100) -> None:
        self._problem = problem
        self._tries = tries
        self._seen: set[Placement] = set()

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose n placements."""
        return [self._propose(rng) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember what needs no second look."""
        self._seen.update(trial.placement for trial in trials)

    def _propose(self, rng: np.random.Generator) -> Placement:
        for _ in range(self._tries):
            placement = self._problem.space.sample(rng)
            if self._is_worthwhile(placement):
                break
        else:
            placement = self._one_of_the_last(rng) or placement
        self._seen.add(placement)
        return placement

    def _one_of_the_last(self, rng: np.random.Generator) -> Placement | None:
        space = self._problem.space
        everything = space.enumerate() if space.size <= SMALL else []
        left = [placement for placement in everything if self._is_worthwhile(placement)]
        return left[rng.integers(len(left))] if left else None

    def _is_worthwhile(self, placement: Placement) -> bool:
        return placement not in self._seen and allowed(placement, self._problem)
