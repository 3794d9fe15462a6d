"""Trains one network for all placements of a space; its weights then stand in for each of them."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import field_validator, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from ean_search.core.space import Space
from ean_search.data.splits import Split
from ean_search.networks.builder import place, place_per_sample
from ean_search.training.optimization import Criterion
from ean_search.training.path_sampling import find_path_sampler
from ean_search.training.trainer import Recipe, Step, Trainer, TrainingContext, fit
from ean_search.utils.config import FrozenConfig
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_weights, save_weights


class Supernet(FrozenConfig):
    """How the weight-sharing network is trained."""

    sampler: str = "uniform-count"
    per_sample: bool = False  # a placement for each image of a batch, not one for all
    distil: bool = True  # in rules that draw a teacher, it teaches the step's other placements
    weights: str | None = None  # take this trained network instead of training one
    recipe: Recipe = Recipe()

    @field_validator("sampler")
    @classmethod
    def _known(cls, name: str) -> str:
        find_path_sampler(name)
        return name

    @model_validator(mode="after")
    def _one_placement_an_image(self) -> "Supernet":
        if self.per_sample and self.sampler not in ("bernoulli", "uniform-count"):
            raise UserError(f"per_sample needs one placement a draw; {self.sampler!r} draws sets")
        return self


def train_supernet(
    network: nn.Module,
    space: Space,
    train: Split,
    supernet: Supernet,
    path: Path,
    context: TrainingContext,
    trainer: Trainer = fit,
) -> None:
    """Train a space's network in place, or load it if it was trained before; keep its weights.

    Args:
        network: The network of the space.
        space: The space.
        train: The training images.
        supernet: How to train.
        path: The file of the weights; a checkpoint lies beside it until they are complete.
        context: Seed, device and progress.
        trainer: Trains as `fit` does, perhaps with several processes.
    """
    if supernet.weights and not path.is_file():
        load_weights(network, Path(supernet.weights))
        save_weights(network, path)
    if path.is_file():
        load_weights(network, path)
        network.to(context.device)
        return
    checkpoint = path.with_suffix(".checkpoint")
    step = _make_step(space, supernet)
    context = replace(context, step=step, checkpoint=checkpoint, task="supernet")
    trainer(network, train, supernet.recipe, context)
    save_weights(network, path)
    checkpoint.unlink(missing_ok=True)


def _make_step(space: Space, supernet: Supernet) -> Step:
    """Return the training step of a sampling rule."""
    path_sampler = find_path_sampler(supernet.sampler)

    def step_per_sample(
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        criterion: Criterion,
        rng: np.random.Generator,
    ) -> Iterable[Tensor]:
        place_per_sample(network, [path_sampler.draw(space, rng)[0] for _ in labels])
        yield criterion(network(images), labels)

    def step_per_batch(
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        criterion: Criterion,
        rng: np.random.Generator,
    ) -> Iterable[Tensor]:
        soft_labels = None
        for placement in path_sampler.draw(space, rng):
            logits = place(network, placement)(images)
            if soft_labels is None:
                yield criterion(logits, labels)
            else:
                yield F.cross_entropy(logits, soft_labels)
            if path_sampler.teacher and supernet.distil and soft_labels is None:
                soft_labels = logits.detach().softmax(1)

    return step_per_sample if supernet.per_sample else step_per_batch
