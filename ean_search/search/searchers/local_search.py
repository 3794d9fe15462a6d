"""Hill climbing with restarts: try the neighbours of the best placement, and move to a better one.

A neighbour differs at one site. If no neighbour is better, the climb ends, and the next climb
starts from the best placement of all climbs with some sites changed. A cohort has several
neighbours; the climb moves to the best trial told.

White et al., Exploring the Loss Landscape in Neural Architecture Search,
https://arxiv.org/abs/2005.02960; it restarts from random placements instead.
"""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import PositiveInt

from ean_search.core.objective import Problem
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Trial
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.proposal_filter import ProposalFilter, change_sites


class LocalSearch(Searcher):
    """Climb from one better neighbour to the next.

    Args:
        problem: The space, the objective and the costs.
        kick: The number of sites that are changed to start another climb.
    """

    cohort = 4

    def __init__(self, problem: Problem, *, kick: PositiveInt = 4) -> None:
        self._space, self._filter, self._kick = problem.space, ProposalFilter(problem), kick
        self._rewards: dict[Placement, float] = {}  # of all trials that are done
        self._current: Placement | None = None  # the position of the climb
        self._best: Placement | None = None  # of all climbs
        self._queue: list[Placement] | None = None  # neighbours to propose; None: not listed yet
        self._starts: set[Placement] = set()  # proposed as the start of another climb

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose neighbours, or the start of another climb if there are no more neighbours."""
        return [self._propose(rng) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Move to the best trial if it is better, or the start of another climb."""
        self._filter.mark_seen(trial.placement for trial in trials)
        done = [t for t in trials if t.status == "done" and math.isfinite(t.reward)]
        self._rewards |= {trial.placement: trial.reward for trial in done}
        for trial in sorted(done, key=lambda t: t.reward):
            if self._best is None or trial.reward > self._rewards[self._best]:
                self._best = trial.placement
            if trial.placement in self._starts or self._is_better(trial.placement):
                self._move_to(trial.placement)

    def _is_better(self, placement: Placement) -> bool:
        return self._current is None or self._rewards[placement] > self._rewards[self._current]

    def _move_to(self, placement: Placement) -> None:
        self._current, self._queue = placement, None
        self._starts.clear()

    def _propose(self, rng: np.random.Generator) -> Placement:
        if self._current is None or self._best is None:
            return self._filter.sample_new(rng)
        if self._queue is None:
            self._queue = self._list_neighbours(self._current, rng)
        while self._queue:
            placement = self._queue.pop()
            if self._filter.accepts(placement):
                self._filter.mark_seen([placement])
                return placement
        return self._start_again(self._best, rng)

    def _list_neighbours(self, current: Placement, rng: np.random.Generator) -> list[Placement]:
        """List the neighbours in random order; if a known one is better, move there first."""
        queue = neighbours(current, self._space)
        known = [placement for placement in queue if placement in self._rewards]
        best = max(known, key=self._rewards.__getitem__, default=current)
        if self._is_better(best):
            self._move_to(best)
            queue = self._list_neighbours(best, rng)
        rng.shuffle(queue)
        return queue

    def _start_again(self, best: Placement, rng: np.random.Generator) -> Placement:
        kick = min(self._kick, self._space.sites)
        start = self._filter.find_new_near(change_sites(best, self._space, kick, rng), rng)
        self._starts.add(start)
        return start


def neighbours(placement: Placement, space: Space) -> list[Placement]:
    """List all placements that differ from the given one at exactly one site."""
    return [
        space.placement((*placement.choices[:site], choice, *placement.choices[site + 1 :]))
        for site in range(space.sites)
        for choice in range(space.choices)
        if choice != placement.choices[site]
    ]
