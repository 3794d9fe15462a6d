"""How to train, as one frozen value; the recipes that come with the package are short YAML files.

What a recipe names is timm's: optimisers, schedules, losses, mixup, averaged weights, transforms.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from timm.optim import list_optimizers

from ean_search.data.transforms import Augment
from ean_search.utils.config import FrozenConfig, parse_fields, read_yaml
from ean_search.utils.errors import UserError, unknown_name

SHIPPED = Path(__file__).parent / "recipes"


class Recipe(FrozenConfig):
    """How to train: optimiser, schedule, regularisation and their figures."""

    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=64, ge=2)  # images an update is made of
    accumulate: int = Field(default=1, ge=1)  # pieces a batch is computed in, for want of memory
    optimizer: str = "adamw"  # any of timm's; its `sgd` takes Nesterov's step, `momentum` does not
    lr: float = Field(default=2e-3, gt=0)
    momentum: float = 0.9
    weight_decay: float = 0.02
    decay_norms: bool = False  # weight decay on biases and norms too, as in the papers
    schedule: Literal["cosine", "step"] = "cosine"
    milestones: tuple[int, ...] = ()  # epochs at which `step` multiplies the rate by gamma
    gamma: float = 0.1
    min_lr: float = Field(default=0.0, ge=0)  # where a cosine ends
    warmup_epochs: float = Field(default=1, ge=0)
    loss: Literal["cross-entropy", "binary"] = "cross-entropy"  # binary: a yes or no a class
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    mixup: float = Field(default=0.0, ge=0)  # alpha of its Beta distribution; 0 for none
    cutmix: float = Field(default=0.0, ge=0)  # with both, each batch gets one of them
    augment: Augment = Augment()
    ema: float | None = Field(default=None, gt=0, lt=1)  # decay of averaged weights, which count
    ema_warmup: bool = True  # average over few updates at first
    clip_grad: float | None = None
    amp: bool = True  # on a GPU only
    amp_dtype: Literal["auto", "bfloat16", "float16"] = "auto"
    channels_last: bool = False
    compile: bool = False

    @field_validator("optimizer")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in list_optimizers():
            raise unknown_name("optimizer", name, list_optimizers())
        return name

    @model_validator(mode="after")
    def _mixes_pairs(self) -> "Recipe":
        if self.mixes and self.batch_size % 2:
            raise UserError(f"mixup and cutmix need an even batch_size, got {self.batch_size}")
        return self

    @property
    def mixes(self) -> bool:
        """Say whether images are mixed with each other."""
        return bool(self.mixup or self.cutmix)


def shipped_recipes() -> list[str]:
    """Name the recipes that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_recipe(source: str | Path, **changes: Any) -> Recipe:
    """Read a recipe by its shipped name or from a YAML file, with fields changed on request."""
    path = Path(source)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise UserError(f"no recipe file at {path}")
    elif str(source) in shipped_recipes():
        path = SHIPPED / f"{source}.yaml"
    else:
        raise unknown_name("recipe", str(source), shipped_recipes())
    fields = read_yaml(path)
    if isinstance(fields, dict):
        fields |= changes
    return parse_fields(Recipe, fields, f"recipe {source}")
