"""Tries retrained placements as backbones for another task, with paired seeds.

A seed chooses the retraining that a backbone starts from. It also seeds the head and the order of
the images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from ean_search.analysis.training_folder import TrainingFolder
from ean_search.core.space import Placement
from ean_search.retrain.compare import (
    ComparedPlacements,
    price_and_time,
    tabulate,
    train_paired,
    unique_placements,
)
from ean_search.retrain.retrain import RetrainingPlan, only_training
from ean_search.retrain.trained import check_trained
from ean_search.retrain.transfer.task import Task
from ean_search.training.trainer import TrainingContext, fit
from ean_search.utils.files import check_same_settings, save_csv, save_json
from ean_search.utils.progress import Progress, silent
from ean_search.utils.seeding import derive_seed
from ean_search.utils.tensorboard import log_scalars


@dataclass(frozen=True)
class Transfer:
    """The settings that all trainings of one task share.

    Attributes:
        plan: How the networks were retrained that are the backbones.
        task: The task.
        scratch: Start backbones from the random weights that retraining starts from.
    """

    plan: RetrainingPlan
    task: Task
    scratch: bool = False

    @property
    def folder(self) -> Path:
        """The folder of the trainings."""
        start = "scratch" if self.scratch else Path(self.plan.recipe or "own").stem
        if self.plan.pretrained and not self.scratch:
            start += "-pretrained"
        return self.plan.run.transfer_folder(self.task.name, start)

    def network(self, placement: Placement, seed: int) -> nn.Module:
        """Build the task's network on the backbone of a placement.

        Raises:
            UserError: If the placement is not retrained with this seed.
        """
        if self.scratch:
            backbone = self.plan.network(placement, seed)
        else:
            check_trained(self.plan, {str(placement): [placement]}, [seed])
            backbone = self.plan.checkpoint(placement, seed).network()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, 1))
            return self.task.attach(backbone)

    def train(self, placement: Placement, seed: int, progress: Progress = silent) -> float:
        """Train one network; an interrupted training goes on, a finished one is only read.

        Args:
            placement: The placement of the backbone.
            seed: Of the backbone's retraining, the head, and the order of the images.
            progress: Is told how far the training has come; TensorBoard gets the same scalars.

        Returns:
            The score on the task's test images.

        Raises:
            UserError: If the folder holds a training with other settings.
        """
        folder = TrainingFolder(self.folder / TrainingFolder.name(placement, seed))
        settings = self._settings(placement, seed)
        with only_training(self.plan.run, folder):
            check_same_settings(settings, folder.description_file, advice="move that folder away")
            metrics = folder.read_metrics()
            if metrics is None:
                scalars = self.plan.run.scalars_folder(self.folder)
                with log_scalars(scalars, progress) as logged_progress:
                    trained = self._train_and_score(placement, seed, folder, logged_progress)
                metrics = settings | trained
                save_json(metrics, folder.metrics_file)
                folder.state_file.unlink()
        score: float = metrics["score"]
        return score

    def _train_and_score(
        self, placement: Placement, seed: int, folder: TrainingFolder, progress: Progress
    ) -> dict[str, Any]:
        network, device = self.network(placement, seed), self.plan.experiment.device
        context = TrainingContext(
            seed=seed,
            device=device,
            step=self.task.step,
            checkpoint=folder.state_file,
            task=f"{self.task.name} on {placement}, seed {seed}",
            progress=progress,
        )
        history = fit(network, self.task.train, self.task.recipe, context)
        return {"score": self.task.score(network, self.task.test, device), "history": history}

    def _settings(self, placement: Placement, seed: int) -> dict[str, Any]:
        return {
            "task": self.task.name,
            "metric": self.task.metric,
            "images": [len(self.task.train), len(self.task.test)],
            "placement": str(placement),
            "seed": seed,
            "recipe": self.task.recipe.model_dump(mode="json"),
        }


def transfer(
    transfers: Transfer,
    chosen: ComparedPlacements,
    seeds: Sequence[int],
    progress: Progress = silent,
    rounds: int = 50,
) -> pd.DataFrame:
    """Train the networks of a task on all backbones with all seeds; see `compare`.

    Returns:
        One row per name, with scores in `accuracy`. The table is also written as a CSV file.

    Raises:
        UserError: If a backbone is not retrained; then nothing is trained.
    """
    placements = unique_placements(transfers.plan.run, chosen)
    if not transfers.scratch:
        check_trained(transfers.plan, chosen, seeds)
    train = partial(transfers.train, progress=progress)
    scores = train_paired(train, placements, seeds, progress)
    costs = price_and_time(transfers.plan, placements, rounds)
    frame = tabulate(chosen, seeds, scores, costs)
    save_csv(frame, transfers.folder / "comparison.csv", "%.6g")
    return frame
