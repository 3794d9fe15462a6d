"""Model, draw, climb: propose what a plausible function of all trials told likes best.

Thompson sampling: every proposal has its own draw from the posterior of a model with pairwise
terms, and is the best that climbing finds on it. Only accuracy is modelled; what a placement costs
is known, so reward and limits are exact. Nothing is proposed twice.

The idea of a pairwise model for on/off structures: Bayesian Optimization of Combinatorial
Structures, https://arxiv.org/abs/1806.08838; here with normal priors.
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
from ean_search.search.searchers.pairwise_model import Model, Quadratic
from ean_search.search.searchers.proposal_filter import ProposalFilter, changed

GAIN = 1e-12  # less is rounding


class Surrogate(Searcher):
    """Climb functions that could explain all accuracies so far."""

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
        self._fresh = ProposalFilter(problem)
        self._model = Model(problem.space.sites, problem.space.choices)
        self._initial = initial  # accuracies known before the model is asked
        self._spread = spread  # of a draw: 0 is greedy, 1 is Thompson sampling
        self._climbs = climbs  # a draw, from the best known and from mutants of it
        self._done: dict[Placement, Trial] = {}
        self._tolls = _tolls(problem)

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose n placements, at random at first."""
        if len(self._done) < self._initial:
            return [self._fresh.draw(rng) for _ in range(n)]
        known = np.array([placement.choices for placement in self._done])
        self._model.fit(known, np.array([trial.accuracy for trial in self._done.values()]))
        return [self._propose(rng) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Remember accuracies, of placements beyond the limits too."""
        self._fresh.add(trial.placement for trial in trials)
        for trial in trials:
            if trial.accuracy is not None and math.isfinite(trial.accuracy):
                self._done[trial.placement] = trial

    def _propose(self, rng: np.random.Generator) -> Placement:
        function = self._model.draw(rng, self._spread)
        tops = dict.fromkeys(self._climb(start, function) for start in self._starts(rng))
        liked = self._likes(tops, function)
        if liked is None:  # all summits are known: look right beside them
            beside = (p for top in tops for p in neighbours(top, self._space))
            liked = self._likes(beside, function)
        return self._fresh.near(liked or next(iter(tops)), rng)

    def _starts(self, rng: np.random.Generator) -> list[Placement]:
        """Begin at the best placement told, and at mutants of it within the limits."""
        best = max(self._done.values(), key=lambda trial: trial.reward).placement
        far = math.ceil(self._space.sites / 4)
        mutants = (changed(best, self._space, far, rng) for _ in range(self._climbs - 1))
        return [drop_until_feasible(start, self._problem, rng) for start in (best, *mutants)]

    def _climb(self, here: Placement, function: Quadratic) -> Placement:
        """Take the best single change while one is left that pays and keeps the limits."""
        while True:
            gains = function.gains(np.array(here.choices)) - self._tolls
            gains += np.take(self._tolls, self._flat(here))[:, None]
            for index in np.argsort(-gains, axis=None):
                if gains.flat[index] <= GAIN:
                    return here
                there = self._moved(here, *np.unravel_index(index, gains.shape))
                if self._pays(here, there, function):
                    here = there
                    break

    def _flat(self, placement: Placement) -> np.ndarray:
        return np.arange(self._space.sites) * self._space.choices + placement.choices

    def _moved(self, placement: Placement, site: int, choice: int) -> Placement:
        choices = list(placement.choices)
        choices[site] = choice
        return self._space.placement(choices)

    def _pays(self, here: Placement, there: Placement, function: Quadratic) -> bool:
        """Check a change by exact prices: those of single changes add up nearly, not always."""
        better = self._value(there, function) > self._value(here, function) + GAIN
        return better and is_feasible(there, self._problem)

    def _likes(self, placements: Iterable[Placement], function: Quadratic) -> Placement | None:
        new = [placement for placement in placements if self._fresh.is_new(placement)]
        return max(new, key=lambda placement: self._value(placement, function), default=None)

    def _value(self, placement: Placement, function: Quadratic) -> float:
        accuracy = function.value(np.array(placement.choices))
        return self._problem.reward(accuracy, self._problem.price(placement))


def _tolls(problem: Problem) -> np.ndarray:
    """Say what reward each choice costs where nothing else is attached: (sites, choices)."""
    space = problem.space
    tolls = np.zeros((space.sites, space.choices))
    for placement in neighbours(space.named["none"], space):
        site = np.flatnonzero(placement.choices)[0]
        tolls[site, placement.choices[site]] = -problem.reward(0.0, problem.price(placement))
    return tolls
