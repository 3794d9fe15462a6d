"""Exhaustive search: every placement that keeps the limits, once, in the order of counting.

Consecutive placements differ only in their last sites. A large cohort shares the computation of
the first sites, so it costs a fraction of what its members cost one by one.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import Trial
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.constraints import is_feasible
from ean_search.utils.errors import UserError

MAX_PLACEMENTS = 2**24


class Exhaustive(Searcher):
    """Propose every placement once, and the last one again afterwards.

    Args:
        problem: The space, the objective and the costs.

    Raises:
        UserError: If the space has more than MAX_PLACEMENTS placements.
    """

    cohort = 256
    exhaustive = True

    def __init__(self, problem: Problem) -> None:
        space = problem.space
        if space.size > MAX_PLACEMENTS:
            raise UserError(
                f"expected a space of at most {MAX_PLACEMENTS:,} placements for searcher 'all', "
                f"got 2^{space.log2_size:.0f} in {space.name!r}"
            )
        self._remaining = _iterate_feasible(problem)
        self._last = space.named["none"]

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose the next n placements."""
        cohort = list(islice(self._remaining, n))
        self._last = cohort[-1] if cohort else self._last
        return cohort + [self._last] * (n - len(cohort))

    def tell(self, trials: Sequence[Trial]) -> None:
        """Do nothing; the order of proposals does not depend on results."""


def _iterate_feasible(problem: Problem) -> Iterator[Placement]:
    """Yield the placements that keep the limits, without a list of all in memory."""
    space = problem.space
    shape = (space.choices,) * space.sites
    for index in range(space.size):
        placement = space.placement(np.unravel_index(index, shape))
        if is_feasible(placement, problem):
            yield placement
