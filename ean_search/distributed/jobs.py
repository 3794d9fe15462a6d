"""What workers need to know once: the network or the data, sent through the object store.

A job says how a cohort is cut for it, makes its evaluator on a worker, and evaluates a chunk,
round by round: one for shared weights, one an epoch for stand-alone training.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult
from ean_search.data.splits import Split, to_device
from ean_search.distributed.chunking import cut
from ean_search.evaluation.precision import FULL, Precision
from ean_search.evaluation.racing import RacingEvaluator, RacingRule
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.evaluation.standalone import StandaloneEvaluator, checkpoint_of
from ean_search.utils.progress import silent


class Job(Protocol):
    """How chunks are evaluated."""

    joint: bool  # whether what one member of a cohort gets depends on the others
    rounds: int  # reports of a trial

    def cut(self, placements: Sequence[Placement], workers: int) -> list[list[int]]:
        """Return the numbers of placements, chunk by chunk."""

    def prepare(self, device: str) -> "Job":
        """Return the job made ready on a worker's device."""

    def measure(
        self, chunk: Sequence[Placement], number: int, folder: Path
    ) -> list[EvaluationResult]:
        """Return the results of a chunk after a round, counted from 1."""


@dataclass(frozen=True)
class SharedJob:
    """Evaluation with shared weights."""

    network: nn.Module
    split: Split
    batch_size: int
    at_once: int  # the same everywhere, so that results do not depend on a worker's memory
    calibration: Tensor | None = None
    precision: Precision = FULL
    race: RacingRule | None = None
    evaluator: SharedWeightsEvaluator | None = None
    rounds = 1

    @classmethod
    def of(
        cls, shared: SharedWeightsEvaluator, share: float = 1.0, race: RacingRule | None = None
    ) -> "SharedJob":
        """Take what an evaluator has, on the CPU; workers that share a device walk with less."""
        calibration = shared.calibration.cpu() if len(shared.calibration) else None
        at_once = shared.at_once if race else max(1, int(shared.at_once * min(1.0, share)))
        network = copy.deepcopy(shared.network).cpu()
        split = to_device(shared.split, "cpu")
        given = split, shared.batch_size, at_once, calibration, shared.precision, race
        return cls(network, *given)

    @property
    def joint(self) -> bool:
        """Tell whether members race each other."""
        return self.race is not None

    def cut(self, placements: Sequence[Placement], workers: int) -> list[list[int]]:
        """Cut a cohort along its tree; one that races stays whole."""
        return cut(placements, 1 if self.joint else workers)

    def prepare(self, device: str) -> "SharedJob":
        """Put network and images on the device."""
        split = to_device(self.split, device)
        evaluator = SharedWeightsEvaluator(
            self.network,
            split,
            self.batch_size,
            device,
            self.calibration,
            self.at_once,
            self.precision,
        )
        return replace(self, evaluator=evaluator)

    def measure(
        self, chunk: Sequence[Placement], number: int, folder: Path
    ) -> list[EvaluationResult]:
        """Evaluate a chunk as a whole."""
        return list(self._evaluate(chunk))

    def _evaluate(self, chunk: Sequence[Placement]) -> Iterator[EvaluationResult]:
        racing = self.race and RacingEvaluator(self.evaluator, self.race)
        return (racing or self.evaluator).evaluate(chunk)


@dataclass(frozen=True)
class TrainingJob:
    """Stand-alone training, a placement a trial and an epoch a round."""

    evaluator: StandaloneEvaluator
    joint = False

    @classmethod
    def of(cls, plain: StandaloneEvaluator) -> "TrainingJob":
        """Take an evaluator, without what only its own process can show."""
        return cls(replace(plain, progress=silent))

    @property
    def rounds(self) -> int:
        """Count the epochs."""
        return self.evaluator.recipe.epochs

    def cut(self, placements: Sequence[Placement], workers: int) -> list[list[int]]:
        """Put each placement by itself."""
        return [[number] for number in range(len(placements))]

    def prepare(self, device: str) -> "TrainingJob":
        """Train on the device, with images that lie on the CPU."""
        plain = self.evaluator
        train, held_out = to_device(plain.train, "cpu"), to_device(plain.search, "cpu")
        ready = replace(plain, train=train, search=held_out, device=device)
        return replace(self, evaluator=ready)

    def measure(
        self, chunk: Sequence[Placement], number: int, folder: Path
    ) -> list[EvaluationResult]:
        """Train a placement up to an epoch."""
        checkpoint = checkpoint_of(folder, chunk[0])
        return [self.evaluator.advance(chunk[0], number, checkpoint)]


def job_of(plain: SharedWeightsEvaluator | StandaloneEvaluator) -> Job:
    """Return the job of an evaluator of this process."""
    return TrainingJob.of(plain) if isinstance(plain, StandaloneEvaluator) else SharedJob.of(plain)
