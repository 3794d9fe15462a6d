"""Racing: members of a cohort that are clearly worse are stopped before all images are seen.

All members see the same images, in an order that has nothing to do with their classes, so it is
the differences image by image that are judged. After every batch the leader is whoever has the
highest reward so far; a member is stopped when its paired difference to the leader is below zero
with confidence. The bound is normal, corrected for the split being finite and for the number of
members and looks; the chance that a cohort loses its winner is therefore approximate, and
`ean-search bench racing` measures it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

import numpy as np

from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult

FIRST_LOOK = 100  # images before which no normal bound is trusted


@dataclass(frozen=True)
class RacingRule:
    """When to stop whom."""

    value: Callable[[Placement], float]  # what a placement's cost adds to its accuracy
    error: float = 0.05  # chance that a cohort's winner is stopped

    def stops(self, right: np.ndarray, values: np.ndarray, total: int, looks: int) -> np.ndarray:
        """Mark the members to stop: right is (members, images seen) of `total` images."""
        members, seen = right.shape
        if seen < FIRST_LOOK or seen >= total or members < 2:
            return np.zeros(members, dtype=bool)
        leader = np.argmax(right.mean(axis=1) + values)
        gaps = right[leader].astype(np.int8) - right
        # An image more each way: members that agree on all images so far may still differ.
        spread = np.sqrt((gaps.var(axis=1) * seen + 2) / (seen + 2))
        left = 1 - seen / total
        quantile = -NormalDist().inv_cdf(self.error / (members * looks))
        ahead = gaps.mean(axis=1) + values[leader] - values
        stopped = ahead > quantile * spread * np.sqrt(left / seen)
        stopped[leader] = False
        return stopped


class StoppableEvaluator(Protocol):
    """Evaluates placements, and knows how to stop some of them."""

    def evaluate(
        self, placements: Sequence[Placement], race: RacingRule | None = None
    ) -> Iterator[EvaluationResult]: ...


@dataclass(frozen=True)
class RacingEvaluator:
    """An evaluator whose cohorts race."""

    evaluator: StoppableEvaluator
    race: RacingRule
    joint = True  # what one member gets depends on the others

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Yield the accuracy of each placement, on the images it has seen."""
        return self.evaluator.evaluate(placements, self.race)
