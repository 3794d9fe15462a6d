"""A toy search problem and a short search loop, to try searchers without networks.

The loop logs nothing and has no budget; the real loop is `ean_search.search.loop`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Cost, EvaluationResult, Status, Trial
from ean_search.search.searchers.base import Searcher

COHORT_SIZE, NUM_STEPS = 4, 12  # of a search by `play_search`


def price(placement: Placement) -> Cost:
    """Return a cost that depends only on the number of attached sites.

    Latency is 10 ms for the plain backbone, and 0.5 ms more for each attached site.
    """
    n = placement.attached
    return Cost(
        sites=n,
        params=100 + n,
        macs=1000,
        flops=1000 + n,
        latency_ms=10.0 + 0.5 * n,
        activation_bytes=0,
    )


@dataclass(frozen=True)
class ToyLandscape:
    """An evaluator whose accuracy is a sum of gains, one for the choice of each site.

    Attributes:
        space: The search space; its backbone need not exist.

    Example:
        >>> landscape = ToyLandscape(space)
        >>> searcher = make_searcher("random", landscape.problem)
        >>> trials = play_search(searcher, landscape)
    """

    space: Space

    @property
    def problem(self) -> Problem:
        """Return a problem without cost weights and limits."""
        return Problem(self.space, Objective(), price)

    @cached_property
    def gains(self) -> np.ndarray:
        """Return the gain of each choice, (sites, choices); accuracies are within [0, 1]."""
        gains = np.random.default_rng(0).normal(size=(self.space.sites, self.space.choices))
        gains[:, 0] = 0
        return np.asarray(gains / (2 * np.abs(gains).max(axis=1).sum()))

    def accuracy(self, placement: Placement) -> float:
        """Return 0.5 plus the gains of a placement's choices."""
        return 0.5 + float(self.gains[np.arange(len(placement)), placement.choices].sum())

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Yield one result per placement, as an evaluator."""
        for placement in placements:
            yield EvaluationResult(self.accuracy(placement), 0.1)

    def trial(
        self, placement: Placement, number: int = 0, step: int = 0, status: Status = "done"
    ) -> Trial:
        """Make the trial of a placement.

        Args:
            placement: The placement.
            number: The number of the trial.
            step: The search step that proposed it.
            status: If it is not `done`, the trial has no accuracy; if it is `failed`, its reward is
                nan or -inf, depending on the number.
        """
        cost = price(placement)
        if status == "done":
            accuracy = self.accuracy(placement)
            return Trial(number, step, placement, status, accuracy, accuracy, cost, 0.1)
        reward = -1.0 if status == "infeasible" else (math.nan, -math.inf)[number % 2]
        return Trial(number, step, placement, status, None, reward, cost, 0.1)


def _always_done(placement: Placement) -> Status:
    return "done"


def play_search(
    searcher: Searcher,
    landscape: ToyLandscape,
    *,
    seed: int = 0,
    status_of: Callable[[Placement], Status] = _always_done,
    known: Mapping[Placement, Trial] | None = None,
) -> list[Trial]:
    """Run a search of NUM_STEPS cohorts of COHORT_SIZE placements.

    Args:
        searcher: Proposes placements.
        landscape: Evaluates them.
        seed: The seed of the search.
        status_of: Returns the status of a placement's trial.
        known: Trials of an earlier process, which are told instead of evaluating the placements.

    Returns:
        All trials told, in their order.
    """
    trial_of, told = dict(known or {}), []
    for step in range(1, NUM_STEPS + 1):
        cohort = searcher.ask(COHORT_SIZE, np.random.default_rng((seed, step)))
        for placement in cohort:
            if placement not in trial_of:
                status = status_of(placement)
                trial_of[placement] = landscape.trial(placement, len(trial_of), step, status)
        trials = [trial_of[placement] for placement in cohort]
        searcher.tell(trials)
        told += trials
    return told
