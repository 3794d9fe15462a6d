"""Trains one network for all placements of a space; its weights then stand in for each of them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from pydantic import field_validator, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from ean_search.core.space import Space
from ean_search.data.splits import Split
from ean_search.networks.builder import place, place_per_sample
from ean_search.training.path_sampling import find_path_sampler
from ean_search.training.trainer import Criterion, Recipe, Step, Trainer, fit
from ean_search.utils.config import FrozenConfig
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_weights, save_weights
from ean_search.utils.progress import Progress, silent


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
    *,
    seed: int = 0,
    device: str = "cpu",
    trainer: Trainer = fit,
    progress: Progress = silent,
) -> None:
    """Train a space's network, or load it if it was trained before; keep it at the path."""
    if supernet.weights and not path.is_file():
        load_weights(network, Path(supernet.weights))
        save_weights(network, path)
    if path.is_file():
        load_weights(network, path)
        network.to(device)
        return
    checkpoint = path.with_suffix(".checkpoint")
    trainer(
        network,
        train,
        supernet.recipe,
        seed=seed,
        device=device,
        step=_make_step(space, supernet),
        checkpoint=checkpoint,
        task="supernet",
        progress=progress,
    )
    save_weights(network, path)
    checkpoint.unlink(missing_ok=True)


def _make_step(space: Space, supernet: Supernet) -> Step:
    """Return the training step of a sampling rule."""
    sampler = find_path_sampler(supernet.sampler)

    def each_its_own(
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        criterion: Criterion,
        rng: np.random.Generator,
    ) -> Iterable[Tensor]:
        place_per_sample(network, [sampler.draw(space, rng)[0] for _ in labels])
        yield criterion(network(images), labels)

    def one_for_all(
        network: nn.Module,
        images: Tensor,
        labels: Tensor,
        criterion: Criterion,
        rng: np.random.Generator,
    ) -> Iterable[Tensor]:
        taught = None
        for placement in sampler.draw(space, rng):
            logits = place(network, placement)(images)
            yield criterion(logits, labels) if taught is None else F.cross_entropy(logits, taught)
            if sampler.teacher and supernet.distil and taught is None:
                taught = logits.detach().softmax(1)

    return each_its_own if supernet.per_sample else one_for_all
