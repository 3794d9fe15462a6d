"""Trains the networks of placements from scratch on all but the test split, and tests each once."""

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from ean_search.analysis.run_folder import Run, load_run
from ean_search.analysis.training_folder import TrainingFolder
from ean_search.core.space import Placement, Space
from ean_search.costs.flops import count_params
from ean_search.data.datasets import Data, load_data
from ean_search.evaluation.shared_weights import top1_accuracy
from ean_search.networks.builder import build, prune
from ean_search.networks.pretrained import with_unit_gates
from ean_search.retrain.checkpoint import Checkpoint, TrainingDescription, preprocessing
from ean_search.retrain.first_weights import (
    SUPERNET,
    choose_start,
    load_first_weights,
    make_teacher,
)
from ean_search.runs.evaluator_factory import choose_trainer
from ean_search.runs.experiment import Experiment, load_experiment
from ean_search.training.distillation import check_teacher
from ean_search.training.recipe import load_recipe
from ean_search.training.trainer import TrainingContext
from ean_search.utils.device import find_device
from ean_search.utils.files import check_same_settings, save_json, save_weights
from ean_search.utils.locks import only_writer
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import provenance
from ean_search.utils.safe_paths import refuse_links
from ean_search.utils.tensorboard import log_scalars
from ean_search.utils.trust import is_trusted, record_names

log = logging.getLogger(__name__)
# Fields of a description that do not change what is trained.
INDIFFERENT_FIELDS = ("data.root", "data.workers", "data.download", "class_names")


@dataclass(frozen=True)
class RetrainingPlan:
    """The settings that all retrainings of one run's placements share.

    Attributes:
        run: The run whose folder keeps the trainings.
        experiment: Its experiment, with the recipe and the changes in `retrain`.
        recipe: The recipe's name; None if the recipe is the run's own.
        pretrained: "timm", "package:NAME" or a file of weights that the backbone starts from; None
            for a random start.
    """

    run: Run
    experiment: Experiment
    recipe: str | None = None
    pretrained: str | None = None

    @cached_property
    def data(self) -> Data:
        """The data set of the run."""
        return load_data(self.experiment.data)

    @property
    def space(self) -> Space:
        """The run's space; on a backbone that starts from pretrained weights, gates are near 1."""
        space = self.experiment.space
        return space if self.pretrained in (None, SUPERNET) else with_unit_gates(space)

    def checkpoint(self, placement: Placement, seed: int) -> Checkpoint:
        """Return the folder of one training; nothing is made."""
        return Checkpoint(self._folder / Checkpoint.name(placement, seed), self.run.trust)

    @property
    def _folder(self) -> Path:
        """The folder of the trainings."""
        return self.run.retrain_folder(self.recipe, self.pretrained is not None)

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
            class_names=self.data.class_names,
        )

    def train(self, placement: Placement, seed: int, progress: Progress = silent) -> dict[str, Any]:
        """Train one placement; an interrupted training goes on, a finished one is only read.

        Args:
            placement: What to train.
            seed: Of the initial weights, and of the order of the images.
            progress: Is told how far the training has come.

        Returns:
            The metrics: `test_accuracy` in [0, 1], `params`, `folder` and more.

        Raises:
            UserError: If the folder holds a training with other settings.
        """
        checkpoint = self.checkpoint(placement, seed)
        description = self.description(placement, seed)
        # What this command names itself; `--trust` holds for one command only.
        own = [name for name in description.plugins if not is_trusted(name, self.run.trust)]
        record_names(self.run.path, own)
        if checkpoint.is_finished:  # reading needs no lock, and no right to write
            _check_same_settings(checkpoint, description)
            return (checkpoint.read_metrics() or {}) | {"folder": str(checkpoint.path)}
        with only_training(self.run, checkpoint):
            _check_same_settings(checkpoint, description)
            metrics = checkpoint.read_metrics()  # of a process that has just ended
            if metrics is None:
                network = self.network(placement, seed)
                scalars = self.run.scalars_folder(self._folder)
                with log_scalars(scalars, progress) as logged_progress:
                    metrics = self._train_and_test(
                        checkpoint, network, description, logged_progress
                    )
                save_json(metrics, checkpoint.metrics_file)
                checkpoint.state_file.unlink()
        return metrics | {"folder": str(checkpoint.path)}

    def network(self, placement: Placement, seed: int) -> nn.Module:
        """Build the network of a placement with the weights that its training starts from."""
        network = build(self.space, self.data.classes, seed)
        load_first_weights(network, self.run, self.space, self.pretrained)
        return prune(network, placement, fold=False)

    def _train_and_test(
        self,
        checkpoint: Checkpoint,
        network: nn.Module,
        description: TrainingDescription,
        progress: Progress,
    ) -> dict[str, Any]:
        experiment, data, seed = self.experiment, self.data, description.seed
        context = TrainingContext(
            seed=seed,
            device=experiment.device,
            checkpoint=checkpoint.state_file,
            task=f"retraining {description.placement}, seed {seed}",
            progress=progress,
            teacher=make_teacher(experiment, data),
        )
        trainer = choose_trainer(experiment, checkpoint.path)
        history = trainer(network, data.train_and_search, experiment.retrain, context)
        metrics = self._test(network, description)
        save_weights(network, checkpoint.weights_file)
        return metrics | {"history": history, "provenance": provenance(experiment.device)}

    def _test(self, network: nn.Module, description: TrainingDescription) -> dict[str, Any]:
        experiment, split = self.experiment, self.data.test
        batches = split.batches(experiment.eval_batch, device=experiment.device)
        return {
            "placement": description.placement,
            "test_accuracy": top1_accuracy(network, batches),
            "test_images": len(split),
            "params": count_params(network),
            "seed": description.seed,
            "recipe": experiment.retrain.model_dump(mode="json"),
        }


def plan_retraining(
    run: Run,
    changes: dict[str, Any] | None = None,
    recipe: str | None = None,
    pretrained: str | None = None,
) -> RetrainingPlan:
    """Gather the settings by which placements of a run are retrained.

    Args:
        run: The run.
        changes: Values of the experiment by dotted field, such as {"retrain.epochs": 1, "seed": 3};
            they override the recipe and the run.
        recipe: A shipped recipe or a YAML file; the run's own recipe if None.
        pretrained: "timm", or a file of weights that the backbone starts from; SUPERNET for the
            search's weights of the placement, SCRATCH for random ones; None: SUPERNET if the run
            started from pretrained weights, else SCRATCH.

    Raises:
        UserError: If a field, a value, the recipe or the device is not known.
    """
    changes = {"device": "auto", **(changes or {})}
    if recipe is not None:
        fields = load_recipe(recipe).model_dump()
        changes = {f"retrain.{name}": value for name, value in fields.items()} | changes
    experiment = load_experiment(run.experiment_file, changes, run.trust)
    experiment = experiment.model_copy(update={"device": find_device(experiment.device)})
    check_teacher(experiment.supernet.pretrained is not None, experiment.retrain)
    return RetrainingPlan(run, experiment, recipe, choose_start(run, experiment, pretrained))


def retrain_placement(
    run: Run | Path | str,
    placement: Placement | str,
    changes: dict[str, Any] | None = None,
    progress: Progress = silent,
    *,
    recipe: str | None = None,
    pretrained: str | None = None,
) -> dict[str, Any]:
    """Train the pruned network of a placement, and test it once.

    A training that was interrupted goes on from its last epoch; a finished one is only read.

    Args:
        run: The run that found the placement, or its folder.
        placement: A placement, its text, such as "1-0-1-0", or its name, such as "best" or "all".
        changes: Values of the experiment by dotted field; see `plan_retraining`.
        progress: Is told how far the training has come.
        recipe: A shipped recipe or a YAML file; the run's own recipe if None.
        pretrained: Where the first weights come from; see `plan_retraining`.

    Returns:
        The metrics: `test_accuracy` in [0, 1], `params`, `folder` and more.

    Raises:
        UserError: If the training cannot be done, or its folder holds one of other settings; a
            call that fails leaves no folder.

    Example:
        >>> retrain_placement("results/tiny/first", "best")["test_accuracy"]
    """
    run = load_run(run)
    plan = plan_retraining(run, changes, recipe, pretrained)
    placement = run.find(placement)
    checkpoint = plan.checkpoint(placement, plan.experiment.seed)
    was_finished = checkpoint.is_finished
    metrics = plan.train(placement, plan.experiment.seed, progress)
    if was_finished:
        words = "%s was trained already; another seed (--seed) gives another training"
        log.info(words, checkpoint.path)
    return metrics


@contextmanager
def only_training(run: Run, training: TrainingFolder) -> Iterator[None]:
    """Keep other processes off the folder of a training in the block.

    If the block ends early, the folder that it made is removed, and the empty ones around it.

    Args:
        run: The run whose folder keeps the training.
        training: Its folder; it stays if it existed before, or holds a state to go on from.

    Raises:
        UserError: If another process is training there; it says which one.
    """
    refuse_links(run.path)
    try:
        with (
            only_writer(training.lock_file, str(training.path)),
            _removed_after_failure(training),
        ):
            yield
    finally:
        for parent in training.path.parents:
            if parent == run.path or not parent.is_dir() or any(parent.iterdir()):
                break
            parent.rmdir()


@contextmanager
def _removed_after_failure(training: TrainingFolder) -> Iterator[None]:
    is_new = not training.path.exists()
    try:
        yield
    except BaseException:  # Ctrl-C, too: a folder without a state would only be in the way
        if is_new and not training.state_file.exists() and not training.is_finished:
            shutil.rmtree(training.path, ignore_errors=True)
        raise


def _check_same_settings(checkpoint: Checkpoint, description: TrainingDescription) -> None:
    """Make the folder of a training, or refuse if it holds one with other settings."""
    check_same_settings(
        json.loads(description.model_dump_json()),
        checkpoint.description_file,
        advice="give another --seed, or move that folder away",
        read=lambda: json.loads(checkpoint.description.model_dump_json()),
        movable=INDIFFERENT_FIELDS,
    )
