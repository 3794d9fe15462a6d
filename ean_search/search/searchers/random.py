"""Random search: draw how many sites carry attention evenly, then which ones.

Drawing every site on its own instead would put nearly all placements at half the sites. It learns
nothing; it only avoids what it has already seen.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import PositiveInt

from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import Trial
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.proposal_filter import ProposalFilter


class RandomSearch(Searcher):
    """Propose placements at random, none of them twice while there are others."""

    cohort = 4

    def __init__(self, problem: Problem, *, tries: PositiveInt = 100) -> None:
        self._space, self._tries = problem.space, tries
        self._fresh = ProposalFilter(problem)

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose n placements."""
        return [self._propose(rng) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember what needs no second look."""
        self._fresh.add(trial.placement for trial in trials)

    def _propose(self, rng: np.random.Generator) -> Placement:
        for _ in range(self._tries):
            placement = self._space.sample(rng)
            if self._fresh.is_new(placement):
                self._fresh.add([placement])
                return placement
        return self._fresh.near(placement, rng)
