"""What workers need to know once: the network or the data, sent through the object store.

A job says how a cohort is cut for it, makes its evaluator on a worker, and evaluates a chunk,
round by round: one round for shared weights, one per epoch for stand-alone training.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult
from ean_search.data.splits import Split, to_device
from ean_search.distributed.chunking import cut_cohort
from ean_search.evaluation.precision import FULL_PRECISION, Precision
from ean_search.evaluation.racing import RacingEvaluator, RacingRule
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.evaluation.standalone import StandaloneEvaluator, checkpoint_of
from ean_search.utils.progress import silent


class Job(Protocol):
    """How chunks are evaluated."""

    @property
    def joint(self) -> bool:
        """Tell whether the result of one member of a cohort depends on the others."""

    @property
    def rounds(self) -> int:
        """Count the reports of a trial."""

    def cut(self, placements: Sequence[Placement], workers: int) -> list[list[int]]:
        """Return the numbers of placements, chunk by chunk."""

    def prepare(self, device: str) -> "Job":
        """Return the job made ready on a worker's device."""

    def measure(
        self, chunk: Sequence[Placement], number: int, folder: Path
    ) -> list[EvaluationResult]:
        """Evaluate a chunk for one round.

        Args:
            chunk: Placements.
            number: The round, counted from 1.
            folder: Folder for states of unfinished trainings.

        Returns:
            One result per placement, as of this round.
        """


@dataclass(frozen=True)
class SharedJob:
    """Evaluation with shared weights; the fields are arguments of `SharedWeightsEvaluator`."""

    network: nn.Module
    split: Split
    batch_size: int
    walk_batch_size: int  # the same everywhere, so that results do not depend on free memory
    calibration: Tensor | None = None
    precision: Precision = FULL_PRECISION
    racing_rule: RacingRule | None = None
    evaluator: SharedWeightsEvaluator | None = None  # on a worker
    rounds = 1

    @classmethod
    def of(
        cls,
        shared: SharedWeightsEvaluator,
        share: float = 1.0,
        racing_rule: RacingRule | None = None,
    ) -> "SharedJob":
        """Take over an evaluator of this process; tensors are copied to the CPU.

        Args:
            shared: The evaluator.
            share: A worker's share of a device, as in `Workers.gpus`; workers that share one walk
                with fewer images at once.
            racing_rule: Rule by which cohorts race, if they do.
        """
        walk_batch_size = shared.walk_batch_size
        if racing_rule is None:
            walk_batch_size = max(1, int(walk_batch_size * min(1.0, share)))
        return cls(
            network=copy.deepcopy(shared.network).cpu(),
            split=to_device(shared.split, "cpu"),
            batch_size=shared.batch_size,
            walk_batch_size=walk_batch_size,
            calibration=shared.calibration.cpu() if len(shared.calibration) else None,
            precision=shared.precision,
            racing_rule=racing_rule,
        )

    @property
    def joint(self) -> bool:
        """Tell whether members race each other."""
        return self.racing_rule is not None

    def cut(self, placements: Sequence[Placement], workers: int) -> list[list[int]]:
        """Cut a cohort along its tree; one that races stays whole."""
        return cut_cohort(placements, 1 if self.joint else workers)

    def prepare(self, device: str) -> "SharedJob":
        """Put network and images on the device."""
        evaluator = SharedWeightsEvaluator(
            self.network,
            to_device(self.split, device),
            self.batch_size,
            device,
            self.calibration,
            self.walk_batch_size,
            self.precision,
        )
        return replace(self, evaluator=evaluator)

    def measure(
        self, chunk: Sequence[Placement], number: int, folder: Path
    ) -> list[EvaluationResult]:
        """Evaluate a chunk as a whole."""
        assert self.evaluator is not None, "the job is not prepared"
        if self.racing_rule is None:
            return list(self.evaluator.evaluate(chunk))
        return list(RacingEvaluator(self.evaluator, self.racing_rule).evaluate(chunk))


@dataclass(frozen=True)
class TrainingJob:
    """Stand-alone training: one placement per trial and one epoch per round."""

    evaluator: StandaloneEvaluator
    joint = False

    @classmethod
    def of(cls, plain: StandaloneEvaluator) -> "TrainingJob":
        """Take over an evaluator of this process, without its progress, which stays here."""
        return cls(replace(plain, progress=silent))

    @property
    def rounds(self) -> int:
        """Count the epochs."""
        return self.evaluator.recipe.epochs

    def cut(self, placements: Sequence[Placement], workers: int) -> list[list[int]]:
        """Put each placement into a chunk of its own."""
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
