"""Train one network for all placements of a space; they are then compared with its weights."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import field_validator, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from ean_search.core.space import Space
from ean_search.data.splits import Split
from ean_search.networks.builder import place, place_per_sample
from ean_search.training.freezing import frozen_backbone
from ean_search.training.path_sampling import PathSampler, find_path_sampler
from ean_search.training.recipe import Recipe
from ean_search.training.step import Step, TrainingBatch
from ean_search.training.trainer import Trainer, TrainingContext, fit
from ean_search.utils.config import FrozenConfig
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_weights, save_weights


class SupernetSettings(FrozenConfig):
    """How to train the weight-sharing network.

    Attributes:
        sampler: The path sampler: which placements a training step trains.
        per_sample: Draw a placement for each image of a batch instead of one for all of them.
        distil: Let the first placement of a step teach the others, if the path sampler draws a
            teacher.
        weights: A file of trained weights to use instead of training.
        pretrained: Where the backbone's first weights come from: `timm`, `package:NAME`,
            `local-dir:FOLDER`, `network` (a module from Python), or a file; None: random weights.
        tune: What learns on a pretrained backbone: `attention` only, or `all`; `auto`: all where
            the backbone's own attention is a choice, since what stays must adapt to what goes.
        recipe: How to train.
    """

    sampler: str = "uniform-count"
    per_sample: bool = False
    distil: bool = True
    weights: str | None = None
    pretrained: str | None = None
    tune: Literal["auto", "all", "attention"] = "auto"
    recipe: Recipe = Recipe()

    @model_validator(mode="after")
    def _check_start(self) -> "SupernetSettings":
        if self.weights and self.pretrained:
            raise UserError(
                "expected weights of a weight-sharing network, or pretrained ones of the backbone, "
                "got both"
            )
        return self

    @field_validator("recipe")
    @classmethod
    def _check_compile(cls, recipe: Recipe) -> Recipe:
        if recipe.compile:
            raise UserError(
                "recipe.compile: a weight-sharing network would be compiled anew for every "
                "placement; compile retrainings (retrain.compile)"
            )
        return recipe

    @property
    def freezes_backbone(self) -> bool:
        """Whether only attention learns."""
        return self.pretrained is not None and self.tune == "attention"

    @field_validator("sampler")
    @classmethod
    def _check_sampler(cls, name: str) -> str:
        find_path_sampler(name)
        return name

    @model_validator(mode="after")
    def _check_per_sample(self) -> "SupernetSettings":
        if self.per_sample and self.sampler not in ("bernoulli", "uniform-count"):
            raise UserError(f"per_sample needs one placement a draw; {self.sampler!r} draws sets")
        return self


def train_supernet(
    network: nn.Module,
    space: Space,
    train: Split,
    supernet: SupernetSettings,
    path: Path,
    context: TrainingContext,
    trainer: Trainer = fit,
) -> None:
    """Train a space's network in place, and save its weights.

    If the weights are saved already, or given in the settings, they are loaded instead.

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
    checkpoint = path.with_suffix(".checkpoint")  # as `Run.supernet_checkpoint` has it
    sampler = find_path_sampler(supernet.sampler)
    step: Step
    if supernet.per_sample:
        step = _SampleStep(space, sampler)
    else:
        step = _BatchStep(space, sampler, distil=supernet.distil and sampler.teacher)
    if supernet.freezes_backbone:
        context = replace(context, find_frozen=frozen_backbone)
    context = replace(context, step=step, checkpoint=checkpoint, task="supernet")
    trainer(network, train, supernet.recipe, context)
    save_weights(network, path)
    checkpoint.unlink(missing_ok=True)


@dataclass(frozen=True)
class _SampleStep:
    """A training step that draws a placement for each image."""

    space: Space
    sampler: PathSampler

    def __call__(self, network: nn.Module, batch: TrainingBatch) -> Iterable[Tensor]:
        draws = (self.sampler.draw(self.space, batch.rng) for _ in batch.images)
        place_per_sample(network, [placements[0] for placements in draws])
        yield batch.loss(network(batch.images))


@dataclass(frozen=True)
class _BatchStep:
    """A training step that computes every drawn placement on the whole batch."""

    space: Space
    sampler: PathSampler
    distil: bool

    def __call__(self, network: nn.Module, batch: TrainingBatch) -> Iterable[Tensor]:
        soft_labels = None
        for placement in self.sampler.draw(self.space, batch.rng):
            logits = place(network, placement)(batch.images)
            if soft_labels is None:
                yield batch.loss(logits)
            else:
                yield F.cross_entropy(logits, soft_labels)
            if self.distil and soft_labels is None:
                soft_labels = logits.detach().softmax(1)
