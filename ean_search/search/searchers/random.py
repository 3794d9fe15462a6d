"""Random search: draw the number of sites with attention uniformly, then the sites.

If each site were drawn independently instead, nearly all placements would attach about half of the
sites. Random search learns nothing; it only avoids placements that it has seen.
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
    """Propose random placements, and none twice while there are new ones.

    Args:
        problem: The space, the objective and the costs.
        tries: The maximum number of draws per proposal before a known draw is changed instead.
    """

    cohort = 4

    def __init__(self, problem: Problem, *, tries: PositiveInt = 100) -> None:
        self._space, self._tries = problem.space, tries
        self._filter = ProposalFilter(problem)

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose n placements."""
        return [self._propose(rng) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember the placements, so as not to propose them again."""
        self._filter.mark_seen(trial.placement for trial in trials)

    def _propose(self, rng: np.random.Generator) -> Placement:
        for _ in range(self._tries):
            placement = self._space.sample(rng)
            if self._filter.accepts(placement):
                self._filter.mark_seen([placement])
                return placement
        return self._filter.find_new_near(placement, rng)
