"""Measures placements by training each one's own network for a short schedule.

The accuracy is that on the search split: like that of shared weights, it may serve to choose. The
seed is the same for all, so that placements see the same images in the same order.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from ean_search.core.space import Placement, Space
from ean_search.core.trial import EvaluationResult
from ean_search.data.splits import Split
from ean_search.evaluation.failures import trial_failure_reason
from ean_search.evaluation.shared_weights import top1_answers
from ean_search.networks.builder import prune
from ean_search.networks.pretrained import build_on
from ean_search.training.recipe import Recipe
from ean_search.training.trainer import TrainingContext, fit
from ean_search.utils.progress import Progress, silent


def checkpoint_of(folder: Path, placement: Placement) -> Path:
    """Return the file that keeps the state of a placement's training."""
    return folder / f"{placement}.checkpoint"


def remove_if_empty(folder: Path) -> None:
    """Remove the folder of checkpoints, unless a training in it is unfinished."""
    with suppress(OSError):
        folder.rmdir()


@dataclass(frozen=True)
class StandaloneEvaluator:
    """Evaluates placements one by one, each trained from the same first weights.

    Args:
        space: The space of the placements.
        classes: Classes of the data.
        train: Images to train on.
        search: Images to measure accuracy on.
        recipe: How to train each placement.
        folder: Folder of checkpoints: a training that was killed goes on from there. It is removed
            when it is empty.
        seed: Seed of weights, order of images and augmentation, the same for all placements.
        eval_batch: Images of a batch in evaluation.
        device: Where to train.
        progress: Told about each epoch.
        backbone: The weights of the plain backbone that trainings start from; random ones if None.

    Example:
        >>> evaluator = StandaloneEvaluator(space, 10, data.train, data.search, Recipe(), folder)
        >>> [result.accuracy for result in evaluator.evaluate(placements)]
    """

    space: Space
    classes: int
    train: Split
    search: Split
    recipe: Recipe
    folder: Path
    seed: int = 0
    eval_batch: int = 256
    device: str = "cpu"
    progress: Progress = silent
    backbone: Mapping[str, Tensor] | None = None

    @property
    def network(self) -> nn.Module:
        """Build the network that placements are cut from, before its training."""
        return build_on(self.space, self.classes, self.seed, self.backbone).eval()

    @property
    def images(self) -> Split:
        """The images that placements are evaluated on."""
        return self.search

    def on(self, images: Split) -> "StandaloneEvaluator":
        """Return the evaluator of the same trainings on other images."""
        return replace(self, search=images)

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Yield the accuracy of each placement."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for placement in placements:
            checkpoint = checkpoint_of(self.folder, placement)
            yield self.advance(placement, self.recipe.epochs, checkpoint)
            checkpoint.unlink(missing_ok=True)  # by now the trial is in the log
        remove_if_empty(self.folder)

    def advance(self, placement: Placement, epochs: int, checkpoint: Path) -> EvaluationResult:
        """Train a placement up to an epoch of the recipe, and measure its accuracy.

        Args:
            placement: The placement.
            epochs: Epoch to stop after, counted from the beginning of the training.
            checkpoint: File with the training's state. If it exists, training goes on from it.

        Returns:
            The accuracy so far; `stopped` if the recipe has more epochs. No accuracy and a reason
            if the loss diverged or memory ran out.
        """
        start = time.perf_counter()
        network = prune(self.network, placement, fold=False)
        try:
            context = TrainingContext(
                seed=self.seed,
                device=self.device,
                checkpoint=checkpoint,
                stop_after_epoch=epochs,
                task=f"training {placement}",
                progress=self.progress,
            )
            fit(network, self.train, self.recipe, context)
            batches = self.search.batches(self.eval_batch, device=self.device)
            answers = top1_answers(network, batches)
        except Exception as error:
            reason = trial_failure_reason(error)
            if reason is None:
                raise
            return EvaluationResult(None, time.perf_counter() - start, reason)
        stopped = epochs < self.recipe.epochs
        note = f"stopped after {epochs} of {self.recipe.epochs} epochs" if stopped else ""
        seconds = time.perf_counter() - start
        return EvaluationResult(answers.accuracy, seconds, note, stopped, answers=answers)
