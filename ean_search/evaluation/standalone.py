"""Measures placements by training each one's own network for a short schedule.

The accuracy is that on the search split: like the shared weights', it may serve to choose. The
seed is the same for all, so that placements see the same images in the same order.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ean_search.core.space import Placement, Space
from ean_search.core.trial import EvaluationResult
from ean_search.data.splits import Split
from ean_search.evaluation.failures import trial_failure_reason
from ean_search.evaluation.shared_weights import score
from ean_search.networks.builder import build, prune
from ean_search.training.trainer import Recipe, TrainingContext, fit
from ean_search.utils.progress import Progress, silent

TRAINING = "training"  # folder of the checkpoints of unfinished trainings, in that of a run


def checkpoint_of(folder: Path, placement: Placement) -> Path:
    """Return where the state of a placement's training is kept."""
    return folder / f"{placement}.checkpoint"


def remove_if_empty(folder: Path) -> None:
    """Remove the folder of checkpoints, unless a training in it is unfinished."""
    with suppress(OSError):
        folder.rmdir()


@dataclass(frozen=True)
class StandaloneEvaluator:
    """Evaluates placements one by one, each from scratch."""

    space: Space
    classes: int
    train: Split
    search: Split
    recipe: Recipe
    folder: Path  # of checkpoints: training that was killed goes on
    seed: int = 0
    eval_batch: int = 256
    device: str = "cpu"
    progress: Progress = silent

    @property
    def network(self) -> nn.Module:
        """Build the network that placements are cut from, as nobody has trained it."""
        return build(self.space, self.classes, self.seed).eval()

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Yield the accuracy of each placement."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for placement in placements:
            checkpoint = checkpoint_of(self.folder, placement)
            yield self.advance(placement, self.recipe.epochs, checkpoint)
            checkpoint.unlink(missing_ok=True)  # by now the trial is stored
        remove_if_empty(self.folder)

    def advance(self, placement: Placement, epochs: int, checkpoint: Path) -> EvaluationResult:
        """Train a placement up to an epoch of the recipe, from where its checkpoint is."""
        start = time.perf_counter()
        network = prune(build(self.space, self.classes, self.seed), placement)
        try:
            context = TrainingContext(
                seed=self.seed,
                device=self.device,
                checkpoint=checkpoint,
                until=epochs,
                task=f"training {placement}",
                progress=self.progress,
            )
            fit(network, self.train, self.recipe, context)
            accuracy = score(network, self.search.batches(self.eval_batch, device=self.device))
        except Exception as error:
            why = trial_failure_reason(error)
            if why is None:
                raise
            return EvaluationResult(None, time.perf_counter() - start, why)
        stopped = epochs < self.recipe.epochs
        note = f"stopped after {epochs} of {self.recipe.epochs} epochs" if stopped else ""
        return EvaluationResult(accuracy, time.perf_counter() - start, note, stopped)
