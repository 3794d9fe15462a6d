"""Trains placements' networks from scratch on all but the test split, and tests each once."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from ean_search.analysis.run_folder import Run
from ean_search.core.space import Placement, Space
from ean_search.costs.flops import count_params
from ean_search.data.datasets import Data, load_data
from ean_search.evaluation.shared_weights import score
from ean_search.networks.builder import build, prune
from ean_search.networks.pretrained import load_backbone, with_unit_gates
from ean_search.retrain.checkpoint import Checkpoint, TrainingDescription, preprocessing
from ean_search.runs.evaluator_factory import find_trainer
from ean_search.runs.experiment import Experiment, load_experiment
from ean_search.training.recipe import load_recipe
from ean_search.training.trainer import TrainingContext
from ean_search.utils.device import find_device
from ean_search.utils.errors import UserError
from ean_search.utils.files import check_same_settings, save_json, save_weights
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import provenance

MOVABLE = ("data.root", "data.workers", "data.download")  # another value makes no other training


@dataclass(frozen=True)
class RetrainingPlan:
    """What trainings of one run's placements have in common."""

    run: Run
    experiment: Experiment
    recipe: str | None = None  # its name, if it is not the experiment's own
    pretrained: str | None = None

    @cached_property
    def data(self) -> Data:
        return load_data(self.experiment.data)

    @property
    def space(self) -> Space:
        """Return the run's space; attention is gentle at first on what is trained already."""
        space = self.experiment.space
        return with_unit_gates(space) if self.pretrained else space

    def checkpoint(self, placement: Placement, seed: int) -> Checkpoint:
        """Name the folder of one training."""
        folder = self.run.retrain_folder(self.recipe, self.pretrained is not None)
        return Checkpoint(folder / Checkpoint.name(placement, seed))

    def description(self, placement: Placement, seed: int) -> TrainingDescription:
        """Describe one training."""
        return TrainingDescription(
            space=self.space,
            placement=str(placement),
            classes=self.data.classes,
            seed=seed,
            data=self.experiment.data,
            recipe=self.experiment.retrain,
            pretrained=self.pretrained,
            preprocessing=preprocessing(self.data),
        )

    def train(self, placement: Placement, seed: int, progress: Progress = silent) -> dict[str, Any]:
        """Train, or go on with it, or return what a finished training reached."""
        checkpoint = self.checkpoint(placement, seed)
        _check_same_settings(checkpoint, self.description(placement, seed))
        metrics = checkpoint.read_metrics()
        if metrics is None:
            metrics = self._train_and_test(checkpoint, placement, seed, progress)
            save_json(metrics, checkpoint.metrics_file)
            checkpoint.state_file.unlink()
        return metrics | {"folder": str(checkpoint.path)}

    def network(self, placement: Placement, seed: int) -> nn.Module:
        """Build a placement's network as training starts from it."""
        network = build(self.space, self.data.classes, seed)
        if self.pretrained:
            load_backbone(network, self.space, self.pretrained)
        return prune(network, placement)

    def _train_and_test(
        self, checkpoint: Checkpoint, placement: Placement, seed: int, progress: Progress
    ) -> dict[str, Any]:
        experiment, data = self.experiment, self.data
        network = self.network(placement, seed)
        context = TrainingContext(
            seed=seed,
            device=experiment.device,
            checkpoint=checkpoint.state_file,
            task=f"retraining {placement}, seed {seed}",
            progress=progress,
        )
        trainer = find_trainer(experiment, checkpoint.path)
        history = trainer(network, data.train_and_search, experiment.retrain, context)
        batches = data.test.batches(experiment.eval_batch, device=experiment.device)
        accuracy = score(network, batches)
        save_weights(network, checkpoint.weights_file)
        return {
            "placement": str(placement),
            "test_accuracy": accuracy,
            "test_images": len(data.test),
            "params": count_params(network),
            "seed": seed,
            "recipe": experiment.retrain.model_dump(mode="json"),
            "history": history,
            "provenance": provenance(experiment.device),
        }


def plan_retraining(
    run: Run,
    changes: dict[str, Any] | None = None,
    recipe: str | None = None,
    pretrained: str | None = None,
) -> RetrainingPlan:
    """Gather how placements of a run are retrained: as the run says, by a recipe, with changes."""
    changes = {"device": "auto", **(changes or {})}
    if recipe is not None:
        fields = load_recipe(recipe).model_dump()
        changes = {f"retrain.{name}": value for name, value in fields.items()} | changes
    experiment = load_experiment(run.experiment_file, changes)
    experiment = experiment.model_copy(update={"device": find_device(experiment.device)})
    return RetrainingPlan(run, experiment, recipe, pretrained)


def retrain_placement(
    run: Run,
    placement: Placement,
    changes: dict[str, Any],
    progress: Progress = silent,
    *,
    recipe: str | None = None,
    pretrained: str | None = None,
) -> dict[str, Any]:
    """Train a placement's pruned network and return what it reached on the test split."""
    plan = plan_retraining(run, changes, recipe, pretrained)
    checkpoint = plan.checkpoint(placement, plan.experiment.seed)
    if checkpoint.is_finished:
        path = checkpoint.path
        raise UserError(f"{path} holds a finished training; another --seed gives another one")
    return plan.train(placement, plan.experiment.seed, progress)


def _check_same_settings(checkpoint: Checkpoint, description: TrainingDescription) -> None:
    """Take a folder for a training, unless it holds one with other settings."""
    check_same_settings(
        json.loads(description.model_dump_json()),
        checkpoint.description_file,
        advice="give another --seed, or move that folder away",
        read=lambda: json.loads(checkpoint.description.model_dump_json()),
        movable=MOVABLE,
    )
