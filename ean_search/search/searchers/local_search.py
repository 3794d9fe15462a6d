"""Hill climbing with restarts: try the neighbours of the best, move on to the first better one.

A neighbour differs at one site. When none is better the climb is over, and another one begins
from the best placement of all with some sites changed. Cohorts hold several neighbours; the climb
moves to the best of what was told.

White et al., Exploring the Loss Landscape in Neural Architecture Search,
https://arxiv.org/abs/2005.02960, restarts anywhere instead.
"""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import PositiveInt

from ean_search.core.objective import Problem
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Trial
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.proposal_filter import ProposalFilter, changed


class LocalSearch(Searcher):
    """Climb from one better neighbour to the next."""

    cohort = 4

    def __init__(self, problem: Problem, *, kick: PositiveInt = 4) -> None:
        self._space, self._fresh = problem.space, ProposalFilter(problem)
        self._kick = kick  # sites changed to begin another climb
        self._rewards: dict[Placement, float] = {}
        self._here: Placement | None = None  # where the climb stands
        self._best: Placement | None = None  # of all climbs
        self._queue: list[Placement] | None = None  # its neighbours; none yet: to be listed
        self._starts: set[Placement] = set()  # asked for to begin a climb from

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose neighbours, or where to climb next when there are none left."""
        return [self._propose(rng) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Move to the best placement told if it is better, or a start."""
        self._fresh.add(trial.placement for trial in trials)
        done = [t for t in trials if t.status == "done" and math.isfinite(t.reward)]
        self._rewards |= {trial.placement: trial.reward for trial in done}
        for trial in sorted(done, key=lambda t: t.reward):
            if self._best is None or trial.reward > self._rewards[self._best]:
                self._best = trial.placement
            if trial.placement in self._starts or self._is_better(trial.placement):
                self._move(trial.placement)

    def _is_better(self, placement: Placement) -> bool:
        return self._here is None or self._rewards[placement] > self._rewards[self._here]

    def _move(self, placement: Placement) -> None:
        self._here, self._queue = placement, None
        self._starts.clear()

    def _propose(self, rng: np.random.Generator) -> Placement:
        if self._here is None:
            return self._fresh.draw(rng)
        if self._queue is None:
            self._climb(rng)
        while self._queue:
            placement = self._queue.pop()
            if self._fresh.is_new(placement):
                self._fresh.add([placement])
                return placement
        return self._begin_again(rng)

    def _climb(self, rng: np.random.Generator) -> None:
        """List the neighbours at random, going on at once if a known one is better."""
        self._queue = neighbours(self._here, self._space)
        known = [placement for placement in self._queue if placement in self._rewards]
        best = max(known, key=self._rewards.__getitem__, default=self._here)
        if self._is_better(best):
            self._move(best)
            self._climb(rng)
        rng.shuffle(self._queue)

    def _begin_again(self, rng: np.random.Generator) -> Placement:
        kick = min(self._kick, self._space.sites)
        start = self._fresh.near(changed(self._best, self._space, kick, rng), rng)
        self._starts.add(start)
        return start


def neighbours(placement: Placement, space: Space) -> list[Placement]:
    """List all placements that differ at one site."""
    return [
        space.placement((*placement.choices[:site], choice, *placement.choices[site + 1 :]))
        for site in range(space.sites)
        for choice in range(space.choices)
        if choice != placement.choices[site]
    ]
