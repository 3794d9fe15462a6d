"""Regularised evolution: the best of a few gets a mutant child, and the oldest dies.

Whoever is good must be born again to stay, so that luck does not. Here a placement has one
accuracy, and dying only keeps the search moving. What failed or broke a limit never lives.

Real et al., Regularized Evolution for Image Classifier Architecture Search,
https://arxiv.org/abs/1802.01548
"""

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import Trial
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.proposal_filter import ProposalFilter, changed


class Evolution(Searcher):
    """Mutate the winners of small tournaments in an ageing population."""

    cohort = 4

    def __init__(
        self,
        problem: Problem,
        *,
        population: PositiveInt = 24,
        tournament: PositiveInt = 12,
        flips: PositiveFloat = 1.0,
    ) -> None:
        self._space, self._fresh = problem.space, ProposalFilter(problem)
        self._living: deque[Trial] = deque(maxlen=population)
        self._tournament, self._flips = tournament, flips

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose n children, or strangers until the population is complete."""
        return [self._propose(rng) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Let the newborn live, and the oldest go."""
        self._fresh.add(trial.placement for trial in trials)
        self._living.extend(
            trial for trial in trials if trial.status == "done" and math.isfinite(trial.reward)
        )

    def _propose(self, rng: np.random.Generator) -> Placement:
        if len(self._living) < self._living.maxlen:
            return self._fresh.draw(rng)
        rivals = rng.integers(len(self._living), size=self._tournament)
        parent = max((self._living[i] for i in rivals), key=lambda trial: trial.reward)
        # One site at least, and `flips` on average.
        flips = 1 + rng.binomial(self._space.sites - 1, self._rate())
        return self._fresh.near(changed(parent.placement, self._space, flips, rng), rng)

    def _rate(self) -> float:
        return min(1.0, max(0.0, self._flips - 1) / max(1, self._space.sites - 1))
