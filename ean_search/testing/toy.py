"""A separable landscape and a search loop of a few lines, to try searchers on without networks.

Nothing is stored here and no budget is kept; the real loop is `ean_search.search.loop`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Cost, Status, Trial
from ean_search.search.searchers.base import Searcher

COHORT, STEPS = 4, 12


@dataclass(frozen=True)
class Toy:
    """A landscape on which every choice adds a gain of its own."""

    space: Space

    @property
    def problem(self) -> Problem:
        """Ask for accuracy alone."""
        return Problem(self.space, Objective(), price)

    @cached_property
    def gains(self) -> np.ndarray:
        """Give what choices add, (sites, choices), so that accuracies stay within [0, 1]."""
        gains = np.random.default_rng(0).normal(size=(self.space.sites, self.space.choices))
        gains[:, 0] = 0
        return gains / (2 * np.abs(gains).max(axis=1).sum())

    def accuracy(self, placement: Placement) -> float:
        """Add the gains up."""
        return 0.5 + float(self.gains[np.arange(len(placement)), placement.choices].sum())

    def trial(self, placement: Placement, number: int, step: int, status: Status) -> Trial:
        """FinalEvaluator a placement, or pretend that it could not be judged."""
        accuracy = self.accuracy(placement) if status == "done" else None
        reward = {"done": accuracy, "infeasible": -1.0}.get(
            status, (math.nan, -math.inf)[number % 2]
        )
        return Trial(number, step, placement, status, accuracy, reward, price(placement), 0.1)


def price(placement: Placement) -> Cost:
    """Price a placement by its attachments."""
    n = placement.attached
    return Cost(sites=n, params=n, macs=n, flops=n, latency_ms=1.0 + n, activation_bytes=n)


def play(
    searcher: Searcher,
    toy: Toy,
    *,
    seed: int = 0,
    status: Callable[[Placement], Status] = lambda placement: "done",
    known: Mapping[Placement, Trial] | None = None,
) -> list[Trial]:
    """Play the search loop for some steps and return all trials told."""
    known, told = dict(known or {}), []
    for step in range(1, STEPS + 1):
        cohort = searcher.ask(COHORT, np.random.default_rng((seed, step)))
        for placement in cohort:
            if placement not in known:
                known[placement] = toy.trial(placement, len(known), step, status(placement))
        trials = [known[placement] for placement in cohort]
        searcher.tell(trials)
        told += trials
    return told
