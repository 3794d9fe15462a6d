"""Bayesian optimisation with a pairwise model: draw a plausible function, and propose its optimum.

This is Thompson sampling. Each proposal has its own draw from the posterior of a model with
pairwise terms, and is the best placement that hill climbing finds on it. `reinforce` shares the
model, and needs fewer evaluations.

The idea of a pairwise model for on/off structures is from Bayesian Optimization of Combinatorial
Structures, https://arxiv.org/abs/1806.08838; here the priors are normal.
"""

import math
from collections.abc import Iterable

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt

from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.search.searchers.constraints import drop_until_feasible, is_feasible
from ean_search.search.searchers.local_search import neighbours
from ean_search.search.searchers.model_searcher import ModelSearcher
from ean_search.search.searchers.proposal_filter import change_sites
from ean_search.search.searchers.quadratic import QuadraticFunctions

MIN_GAIN = 1e-12  # smaller differences are rounding errors


class Surrogate(ModelSearcher):
    """Propose the optima of functions that could explain all accuracies so far.

    Args:
        problem: The space, the objective and the costs.
        initial: The number of accuracies to know before the model is used; before that, proposals
            are random.
        spread: The size of the random deviation of a draw: 0 uses the mean of the posterior, 1 is
            Thompson sampling.
        climbs: The number of hill climbs per proposal: one from the best known placement, the
            others from mutations of it.
    """

    cohort = 4

    def __init__(
        self,
        problem: Problem,
        *,
        initial: PositiveInt = 8,
        spread: NonNegativeFloat = 0.7,
        climbs: PositiveInt = 4,
    ) -> None:
        super().__init__(problem, initial)
        self._spread, self._climbs = spread, climbs

    def propose(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose n placements, the optimum of a function each."""
        return [self._propose_one(rng) for _ in range(n)]

    def _propose_one(self, rng: np.random.Generator) -> Placement:
        function = self.model.draw(rng, np.array([self._spread]))
        optima = dict.fromkeys(self._climb(start, function) for start in self._starts(rng))
        best = self._best_new(optima, function)
        if best is None:  # all optima are known: take the best of their neighbours
            beside = (p for optimum in optima for p in neighbours(optimum, self.space))
            best = self._best_new(beside, function)
        return self.filter.find_new_near(best or next(iter(optima)), rng)

    def _starts(self, rng: np.random.Generator) -> list[Placement]:
        """Return the best placement told and mutations of it, all within the limits."""
        best = self.measured[int(self.expected_rewards().argmax())].placement
        num_changes = math.ceil(self.space.sites / 4)
        mutants = (
            change_sites(best, self.space, num_changes, rng) for _ in range(self._climbs - 1)
        )
        return [drop_until_feasible(start, self.problem, rng) for start in (best, *mutants)]

    def _climb(self, current: Placement, function: QuadraticFunctions) -> Placement:
        """Take the best single change while there is one that pays and keeps the limits."""
        while (better := self._best_change(current, function)) is not None:
            current = better
        return current

    def _best_change(self, current: Placement, function: QuadraticFunctions) -> Placement | None:
        """Return the placement of the best single change, or None if no change pays."""
        chosen = np.array(current.choices)
        policy = np.eye(self.space.choices)[chosen]
        promises = function.promises(policy[None, None])[0, 0] - self.penalties
        gains = promises - np.take_along_axis(promises, chosen[:, None], axis=1)
        for index in np.argsort(-gains, axis=None):
            if gains.flat[index] <= MIN_GAIN:
                return None
            choices = list(current.choices)
            site, choice = np.unravel_index(index, gains.shape)
            choices[site] = int(choice)
            changed = self.space.placement(choices)
            if self._pays(current, changed, function):
                return changed
        return None

    def _pays(self, current: Placement, changed: Placement, function: QuadraticFunctions) -> bool:
        """Check a change with exact costs: the costs of single changes add up only nearly."""
        better = self._value(changed, function) > self._value(current, function) + MIN_GAIN
        return better and is_feasible(changed, self.problem)

    def _best_new(
        self, placements: Iterable[Placement], function: QuadraticFunctions
    ) -> Placement | None:
        new = [placement for placement in placements if self.filter.accepts(placement)]
        return max(new, key=lambda placement: self._value(placement, function), default=None)

    def _value(self, placement: Placement, function: QuadraticFunctions) -> float:
        accuracy = function.values(np.array(placement.choices)[None, None])[0, 0]
        return self.problem.reward(float(accuracy), self.problem.price(placement))
