"""Regularised evolution: the best of a random sample gets a mutated child, the oldest member goes.

In the paper, ageing removes models that were good by luck, unless their children are good too.
Here a placement has only one accuracy, so that ageing only keeps the search moving. Trials that
failed or broke a limit do not join the population.

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
from ean_search.search.searchers.proposal_filter import ProposalFilter, change_sites


class Evolution(Searcher):
    """Mutate the winners of tournaments in an ageing population.

    Args:
        problem: The space, the objective and the costs.
        population: The size of the population; before it is complete, proposals are random.
        tournament: The number of members drawn, with replacement, to select a parent.
        flips: The mean number of sites that a mutation changes; it is at least 1.
    """

    cohort = 4

    def __init__(
        self,
        problem: Problem,
        *,
        population: PositiveInt = 24,
        tournament: PositiveInt = 12,
        flips: PositiveFloat = 1.0,
    ) -> None:
        self._space, self._filter = problem.space, ProposalFilter(problem)
        self._population: deque[Trial] = deque(maxlen=population)  # the oldest member first
        self._population_size = population
        self._tournament, self._flips = tournament, flips

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose n children, or random placements until the population is complete."""
        return [self._propose(rng) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Add the trials to the population; the oldest members leave it."""
        self._filter.mark_seen(trial.placement for trial in trials)
        self._population.extend(
            trial for trial in trials if trial.status == "done" and math.isfinite(trial.reward)
        )

    def _propose(self, rng: np.random.Generator) -> Placement:
        if len(self._population) < self._population_size:
            return self._filter.sample_new(rng)
        rivals = rng.integers(len(self._population), size=self._tournament)
        parent = max((self._population[i] for i in rivals), key=lambda trial: trial.reward)
        # At least one site changes, and `flips` sites on average.
        num_changes = 1 + rng.binomial(self._space.sites - 1, self._change_probability())
        child = change_sites(parent.placement, self._space, num_changes, rng)
        return self._filter.find_new_near(child, rng)

    def _change_probability(self) -> float:
        """Return the probability that each of the other sites changes."""
        return min(1.0, max(0.0, self._flips - 1) / max(1, self._space.sites - 1))
