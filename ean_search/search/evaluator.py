"""What the search asks of an evaluator; evaluation/ and distributed/ have some."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult


class Evaluator(Protocol):
    """Measures placements. With `joint = True`, a result depends on the rest of the cohort."""

    def evaluate(self, placements: Sequence[Placement], /) -> Iterator[EvaluationResult]:
        """Yield one result after another, in the order of the placements."""


def is_joint(evaluator: Evaluator) -> bool:
    """Say whether the result of one member of a cohort depends on the others."""
    return getattr(evaluator, "joint", False)
