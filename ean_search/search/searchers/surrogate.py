"""Bayesian optimisation with a pairwise model: draw a plausible function, and propose its optimum.

This is Thompson sampling. Each proposal has its own draw from the posterior of a model with
pairwise terms, and is the best placement that hill climbing finds on it. The model predicts only
accuracy. The costs of placements are known, so the reward and the limits are exact. No placement is
proposed twice.

The idea of a pairwise model for on/off structures is from Bayesian Optimization of Combinatorial
Structures, https://arxiv.org/abs/1806.08838; here the priors are normal.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import NonNegativeFloat, PositiveInt

from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import Trial
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.constraints import drop_until_feasible, is_feasible
from ean_search.search.searchers.local_search import neighbours
from ean_search.search.searchers.pairwise_model import PairwiseModel, QuadraticFunction
from ean_search.search.searchers.proposal_filter import ProposalFilter, change_sites

MIN_GAIN = 1e-12  # smaller differences are rounding errors


class Surrogate(Searcher):
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
        self._problem, self._space = problem, problem.space
        self._filter = ProposalFilter(problem)
        self._model = PairwiseModel(problem.space.sites, problem.space.choices)
        self._initial, self._spread, self._climbs = initial, spread, climbs
        self._measured: dict[Placement, Trial] = {}  # the trials with an accuracy
        self._attachment_penalties = _attachment_penalties(problem)

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose n placements."""
        if len(self._measured) < self._initial:
            return [self._filter.sample_new(rng) for _ in range(n)]
        choices = np.array([placement.choices for placement in self._measured])
        self._model.fit(choices, np.array([trial.accuracy for trial in self._measured.values()]))
        return [self._propose(rng) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember the accuracies, also those of placements that break a limit."""
        self._filter.mark_seen(trial.placement for trial in trials)
        for trial in trials:
            if trial.accuracy is not None and math.isfinite(trial.accuracy):
                self._measured[trial.placement] = trial

    def _propose(self, rng: np.random.Generator) -> Placement:
        function = self._model.draw(rng, self._spread)
        optima = dict.fromkeys(self._climb(start, function) for start in self._starts(rng))
        best = self._best_new(optima, function)
        if best is None:  # all optima are known: take the best of their neighbours
            beside = (p for optimum in optima for p in neighbours(optimum, self._space))
            best = self._best_new(beside, function)
        return self._filter.find_new_near(best or next(iter(optima)), rng)

    def _starts(self, rng: np.random.Generator) -> list[Placement]:
        """Return the best placement told and mutations of it, all within the limits."""
        best = max(self._measured.values(), key=lambda trial: trial.reward).placement
        num_changes = math.ceil(self._space.sites / 4)
        mutants = (
            change_sites(best, self._space, num_changes, rng) for _ in range(self._climbs - 1)
        )
        return [drop_until_feasible(start, self._problem, rng) for start in (best, *mutants)]

    def _climb(self, current: Placement, function: QuadraticFunction) -> Placement:
        """Take the best single change while there is one that pays and keeps the limits."""
        while (better := self._best_change(current, function)) is not None:
            current = better
        return current

    def _best_change(self, current: Placement, function: QuadraticFunction) -> Placement | None:
        """Return the placement of the best single change, or None if no change pays."""
        gains = function.gains(np.array(current.choices)) - self._attachment_penalties
        gains += np.take(self._attachment_penalties, self._flat_index(current))[:, None]
        for index in np.argsort(-gains, axis=None):
            if gains.flat[index] <= MIN_GAIN:
                return None
            choices = list(current.choices)
            site, choice = np.unravel_index(index, gains.shape)
            choices[site] = choice
            changed = self._space.placement(choices)
            if self._pays(current, changed, function):
                return changed
        return None

    def _flat_index(self, placement: Placement) -> np.ndarray:
        """Return the positions of a placement's choices in a flattened (sites, choices) array."""
        sites = np.arange(self._space.sites)
        return np.asarray(sites * self._space.choices + placement.choices)

    def _pays(self, current: Placement, changed: Placement, function: QuadraticFunction) -> bool:
        """Check a change with exact costs: the costs of single changes add up only nearly."""
        better = self._value(changed, function) > self._value(current, function) + MIN_GAIN
        return better and is_feasible(changed, self._problem)

    def _best_new(
        self, placements: Iterable[Placement], function: QuadraticFunction
    ) -> Placement | None:
        new = [placement for placement in placements if self._filter.accepts(placement)]
        return max(new, key=lambda placement: self._value(placement, function), default=None)

    def _value(self, placement: Placement, function: QuadraticFunction) -> float:
        accuracy = function.value(np.array(placement.choices))
        return self._problem.reward(accuracy, self._problem.price(placement))


def _attachment_penalties(problem: Problem) -> np.ndarray:
    """Return how much the costs of each choice alone lower the reward, (sites, choices)."""
    space = problem.space
    penalties = np.zeros((space.sites, space.choices))
    for placement in neighbours(space.named["none"], space):
        site = np.flatnonzero(placement.choices)[0]
        penalties[site, placement.choices[site]] = -problem.reward(0.0, problem.price(placement))
    return penalties
