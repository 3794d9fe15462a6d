"""The interface of evaluators; evaluation/ and distributed/ implement it."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult


class Evaluator(Protocol):
    """Measures the accuracy of placements.

    An evaluator may have an attribute `joint`. If it is True, the result of a placement depends on
    the other placements of the cohort, as it does when they race against each other.
    """

    def evaluate(self, placements: Sequence[Placement], /) -> Iterator[EvaluationResult]:
        """Evaluate a cohort.

        Args:
            placements: Distinct placements.

        Yields:
            One result per placement, in the order of the placements.
        """


def is_joint(evaluator: Evaluator) -> bool:
    """Tell whether the result of one member of a cohort depends on the others."""
    return bool(getattr(evaluator, "joint", False))
