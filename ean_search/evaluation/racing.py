"""Racing: members of a cohort that are clearly worse are stopped before all images are seen.

All members see the same images, in an order that has nothing to do with their classes, so the rule
judges differences image by image. After every batch the leader is the member with the highest
reward so far; a member is stopped when its paired difference to the leader is below zero with
confidence. The bound is a normal one, corrected for the finite split and for the number of members
and looks. So the chance that a cohort loses its winner is approximate; `ean-search bench racing`
measures it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

import numpy as np

from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult

MIN_IMAGES_TO_STOP = 100  # with fewer images no normal bound is trusted


@dataclass(frozen=True)
class RacingRule:
    """Decides which members of a cohort are stopped early.

    Args:
        cost_reward: Returns what a placement's cost adds to its reward; accuracy adds the rest.
        error_rate: Intended chance that a cohort's winner is stopped.
    """

    cost_reward: Callable[[Placement], float]
    error_rate: float = 0.05

    def find_losers(
        self, correct: np.ndarray, cost_rewards: np.ndarray, total: int, looks: int
    ) -> np.ndarray:
        """Mark the members to stop.

        Args:
            correct: Whether each member is right on each image so far, (members, images seen).
            cost_rewards: What each member's cost adds to its reward, (members,).
            total: Images of the whole split.
            looks: How often the rule is asked in all, at most.

        Returns:
            True for each member to stop, (members,); never for the leader.
        """
        members, seen = correct.shape
        if seen < MIN_IMAGES_TO_STOP or seen >= total or members < 2:
            return np.zeros(members, dtype=bool)
        leader = np.argmax(correct.mean(axis=1) + cost_rewards)
        gaps = correct[leader].astype(np.int8) - correct
        spread = _spread(gaps)
        quantile = -NormalDist().inv_cdf(self.error_rate / (members * looks))
        leads = gaps.mean(axis=1) + cost_rewards[leader] - cost_rewards
        losers: np.ndarray = leads > quantile * spread * np.sqrt((1 - seen / total) / seen)
        losers[leader] = False
        return losers


def _spread(gaps: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each member's gaps to the leader, (members,)."""
    seen = gaps.shape[1]
    # Count one more image each way: members that agree on all images so far may still differ.
    spread: np.ndarray = np.sqrt((gaps.var(axis=1) * seen + 2) / (seen + 2))
    return spread


class SupportsRacing(Protocol):
    """An evaluator that can stop some of a cohort's members."""

    def evaluate(
        self, placements: Sequence[Placement], racing_rule: RacingRule | None = None
    ) -> Iterator[EvaluationResult]:
        """Yield one result per placement; with a rule, losers have seen only some images."""


@dataclass(frozen=True)
class RacingEvaluator:
    """Evaluates cohorts whose members race."""

    evaluator: SupportsRacing
    racing_rule: RacingRule
    joint = True  # the result of one member depends on the others

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Yield the accuracy of each placement, on the images it has seen."""
        return self.evaluator.evaluate(placements, self.racing_rule)
