"""How to train, as one frozen value; the package comes with recipes as short YAML files.

Names in a recipe are timm's: optimizers, schedules, losses, mixup, averaged weights, transforms.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from timm.optim import list_optimizers

from ean_search.data.transforms import Augment
from ean_search.utils.config import (
    MAX_BATCH_SIZE,
    MAX_COUNT,
    FrozenConfig,
    find_yaml,
    list_yaml,
    parse_fields,
)
from ean_search.utils.errors import UserError, unknown_name
from ean_search.utils.yaml_files import read_yaml

MAX_RATE = 1e38  # what float32 holds
RECIPES_FOLDER = Path(__file__).parent / "recipes"


class Recipe(FrozenConfig):
    """How to train.

    Attributes:
        epochs: The number of epochs.
        batch_size: The number of images of an update.
        accumulate: The number of pieces in which a batch is computed, to save memory.
        optimizer: Any of timm's; its `sgd` has Nesterov momentum, `momentum` has the plain one.
        lr: The highest learning rate.
        momentum: Of optimizers that have one.
        weight_decay: The weight decay.
        decay_norms: Whether biases and norms have weight decay too, as in the papers.
        schedule: `cosine`; or `step`: the rate is multiplied by `gamma` at each milestone.
        milestones: Epochs, counted from 0, for the schedule `step`.
        gamma: Factor for the schedule `step`.
        min_lr: The last rate of the schedule `cosine`.
        warmup_epochs: Epochs in which the rate rises to `lr`.
        loss: `cross-entropy`; or `binary`: a sigmoid for each class.
        label_smoothing: The probability that is spread over all classes.
        mixup: Alpha of mixup's Beta distribution; 0: no mixup.
        cutmix: Alpha of CutMix; with both, each batch gets one of them.
        augment: Augmentation of images.
        ema: Decay of an average of the weights; the trained network has the averaged weights.
        ema_warmup: Whether the average spans fewer updates at first.
        clip_grad: The largest norm of the gradient.
        layer_decay: The factor by which the rate falls from each layer to the one before it, for
            backbones that start from pretrained weights; None: one rate.
        distil: The share of the loss that the pretrained network's logits make, if the training
            starts from one.
        distil_temperature: What logits are divided by for that.
        amp: Whether to use mixed precision; on a GPU only.
        amp_dtype: The type of mixed precision; `auto`: bfloat16 unless the GPU lacks it.
        channels_last: Whether to store images with their channels last, for speed.
        compile: Whether to compile the network.
    """

    epochs: int = Field(default=3, ge=1, le=MAX_COUNT)
    batch_size: int = Field(default=64, ge=2, le=MAX_BATCH_SIZE)
    accumulate: int = Field(default=1, ge=1, le=MAX_BATCH_SIZE)
    optimizer: str = "adamw"
    lr: float = Field(default=2e-3, gt=0, le=MAX_RATE)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.02, ge=0, le=MAX_RATE)
    decay_norms: bool = False
    schedule: Literal["cosine", "step"] = "cosine"
    milestones: tuple[int, ...] = ()
    gamma: float = Field(default=0.1, ge=0, le=1)
    min_lr: float = Field(default=0.0, ge=0, le=MAX_RATE)
    warmup_epochs: float = Field(default=1, ge=0)
    loss: Literal["cross-entropy", "binary"] = "cross-entropy"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    mixup: float = Field(default=0.0, ge=0, le=MAX_RATE)
    cutmix: float = Field(default=0.0, ge=0, le=MAX_RATE)
    augment: Augment = Augment()
    ema: float | None = Field(default=None, gt=0, lt=1)
    ema_warmup: bool = True
    clip_grad: float | None = Field(default=None, gt=0)
    layer_decay: float | None = Field(default=None, gt=0, le=1)
    distil: float = Field(default=0.0, ge=0, le=1)
    distil_temperature: float = Field(default=2.0, gt=0)
    amp: bool = True
    amp_dtype: Literal["auto", "bfloat16", "float16"] = "auto"
    channels_last: bool = False
    compile: bool = False

    @field_validator("optimizer")
    @classmethod
    def _check_optimizer(cls, name: str) -> str:
        known = [str(optimizer) for optimizer in list_optimizers()]
        if name not in known:
            raise unknown_name("optimizer", name, known)
        return name

    @model_validator(mode="after")
    def _check_batch_size(self) -> "Recipe":
        if self.mixes and self.batch_size % 2:
            raise UserError(f"mixup and cutmix need an even batch_size, got {self.batch_size}")
        return self

    @property
    def mixes(self) -> bool:
        """Whether images are mixed with each other."""
        return bool(self.mixup or self.cutmix)


def shipped_recipes() -> list[str]:
    """List the names of the recipes that come with the package."""
    return list_yaml(RECIPES_FOLDER)


def load_recipe(source: str | Path, **changes: Any) -> Recipe:
    """Load a recipe.

    Args:
        source: The name of a shipped recipe, or the path of a YAML file.
        **changes: Fields of the recipe to replace.

    Raises:
        UserError: If there is no such recipe, or a field is unknown or out of range.

    Example:
        >>> load_recipe("mrla-imagenet", epochs=50)
    """
    fields = read_yaml(find_yaml(source, RECIPES_FOLDER, "recipe"))
    if isinstance(fields, dict):
        fields |= changes
    return parse_fields(Recipe, fields, f"recipe {source}")
