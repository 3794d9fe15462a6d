"""Exhaustive search: every placement within the limits once, in the order of enumeration.

Neighbours in that order differ in their last sites only, so a large cohort walked as a prefix
tree costs a fraction of its members. It learns nothing and promises nothing before the end.
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

MAX_PLACEMENTS = 2**24  # that anybody would wait for


class Exhaustive(Searcher):
    """Propose every placement once, then the last one again and again."""

    cohort = 256
    exhaustive = True  # so `check_searcher` does not ask it to beat chance on the way

    def __init__(self, problem: Problem) -> None:
        space = problem.space
        if space.size > MAX_PLACEMENTS:
            raise UserError(
                f"expected a space of at most {MAX_PLACEMENTS:,} placements for searcher 'all', "
                f"got 2^{space.bits:.0f} in {space.name!r}"
            )
        self._left = _enumerate(problem)
        self._last = space.named["none"]

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose the next n placements."""
        cohort = list(islice(self._left, n))
        self._last = cohort[-1] if cohort else self._last
        return cohort + [self._last] * (n - len(cohort))

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn nothing."""


def _enumerate(problem: Problem) -> Iterator[Placement]:
    """Yield what keeps the limits, one after another: a list of all might not fit in memory."""
    space = problem.space
    shape = (space.choices,) * space.sites
    for index in range(space.size):
        placement = space.placement(np.unravel_index(index, shape))
        if is_feasible(placement, problem):
            yield placement
