"""Scoring a user's module on workers: the module and the score travel once."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult
from ean_search.distributed.chunking import cut_cohort
from ean_search.evaluation.module_score import ModuleEvaluator


@dataclass(frozen=True)
class ScoreJob:
    """Scores placements one after another, in one round.

    Attributes:
        evaluator: The evaluator; its score must be a function that can be sent to a process.
    """

    evaluator: ModuleEvaluator
    joint = False
    rounds = 1

    def cut(self, placements: Sequence[Placement], workers: int) -> list[list[int]]:
        """Give every worker its share of a cohort."""
        return cut_cohort(placements, workers)

    def prepare(self, device: str) -> "ScoreJob":
        """Put the network on the device."""
        network = copy.deepcopy(self.evaluator.network).to(device)
        return replace(self, evaluator=replace(self.evaluator, network=network, device=device))

    def measure(
        self, chunk: Sequence[Placement], number: int, folder: Path
    ) -> list[EvaluationResult]:
        """Score a chunk."""
        return list(self.evaluator.evaluate(chunk))
