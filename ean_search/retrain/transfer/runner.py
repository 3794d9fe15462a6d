"""Tries retrained placements as backbones for another task, with paired seeds.

A seed names the retraining that a backbone starts from, and seeds the head and the order of images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from ean_search.analysis.run_folder import TrainingFolder
from ean_search.core.space import Placement
from ean_search.retrain.checkpoint import find_trained
from ean_search.retrain.compare import (
    ComparedPlacements,
    price_and_time,
    tabulate,
    train_paired,
    unique_placements,
)
from ean_search.retrain.retrain import RetrainingPlan
from ean_search.retrain.transfer.task import Task
from ean_search.training.trainer import TrainingContext, fit
from ean_search.utils.files import check_same_settings, save_json
from ean_search.utils.progress import Progress, silent
from ean_search.utils.seeding import derive_seed


@dataclass(frozen=True)
class Transfer:
    """What all trainings of one task have in common."""

    plan: RetrainingPlan  # of the networks that are the backbones
    task: Task
    scratch: bool = False  # start backbones as fresh as retraining does

    @property
    def folder(self) -> Path:
        start = "scratch" if self.scratch else self.plan.recipe or "own"
        return self.plan.run.transfer_folder(self.task.name, Path(start).stem)

    def network(self, placement: Placement, seed: int) -> nn.Module:
        """Build the task's network on one placement's backbone."""
        if self.scratch:
            backbone = self.plan.network(placement, seed)
        else:
            found = find_trained(self.plan.run, placement, self.plan.recipe, seed)
            backbone = found.network()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, 1))
            return self.task.attach(backbone)

    def train(self, placement: Placement, seed: int, progress: Progress = silent) -> float:
        """Train one network for the task, or go on with it, and return its score."""
        folder = TrainingFolder(self.folder / TrainingFolder.name(placement, seed))
        about = self._about(placement, seed)
        check_same_settings(about, folder.description_file, advice="move that folder away")
        metrics = folder.read_metrics()
        if metrics is None:
            metrics = about | self._train(placement, seed, folder.state_file, progress)
            save_json(metrics, folder.metrics_file)
            folder.state_file.unlink()
        return metrics["score"]

    def _train(
        self, placement: Placement, seed: int, checkpoint: Path, progress: Progress
    ) -> dict[str, Any]:
        network, device = self.network(placement, seed), self.plan.experiment.device
        context = TrainingContext(
            seed=seed,
            device=device,
            step=self.task.step,
            checkpoint=checkpoint,
            task=f"{self.task.name} on {placement}, seed {seed}",
            progress=progress,
        )
        history = fit(network, self.task.train, self.task.recipe, context)
        return {"score": self.task.score(network, self.task.test, device), "history": history}

    def _about(self, placement: Placement, seed: int) -> dict[str, Any]:
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
    """Train all backbones with all seeds, and return a row each; scores are in `accuracy`."""
    run = transfers.plan.run
    placements = unique_placements(run, chosen)
    if not transfers.scratch:  # before any training: is there something to start from?
        for placement in placements:
            for seed in seeds:
                find_trained(run, placement, transfers.plan.recipe, seed)
    train = partial(transfers.train, progress=progress)
    reached = train_paired(train, placements, seeds, progress)
    costs = price_and_time(transfers.plan, placements, rounds)
    frame = tabulate(chosen, seeds, reached, costs)
    frame.to_csv(transfers.folder / "comparison.csv", index=False, float_format="%.6g")
    return frame
