"""The options that single data sets take, `data.options` of an experiment."""

from typing import Any, Literal

from pydantic import Field

from ean_search.data.cluttered import ClutteredOptions
from ean_search.utils.config import FrozenConfig, parse_fields


class TimmOptions(FrozenConfig):
    """The arguments of `timm.data.create_dataset` other than name and root."""

    train: str = "train"
    test: str = "validation"
    search: str | None = None  # needed for data that can only be streamed
    classes: int | None = None  # the number; streams need it, other data is counted
    input_key: str | None = None
    target_key: str | None = None
    # Of each split of a stream, the first ones that it gives; None: all. Other data has
    # data.train_per_class and data.test_per_class.
    max_images: int | None = Field(default=None, ge=1)


class FolderOptions(FrozenConfig):
    """The options of `imagefolder`."""

    # The share of the images of each class to test with, where root has no folder for them.
    val_split: float | None = Field(default=None, gt=0, lt=1)


class FashionOptions(FrozenConfig):
    """The options of `fashion_mnist`."""

    channels: Literal[1, 3] = 3  # 3: the gray values three times, as pretrained networks expect
    shift: int = Field(default=4, ge=0, le=27)  # the largest of training images, in pixels


class NoOptions(FrozenConfig):
    """Refuses options, for data sets that have none."""


# Of every registered data set.
OPTIONS: dict[str, type[FrozenConfig]] = {
    "cluttered": ClutteredOptions,
    "cifar10": NoOptions,
    "cifar100": NoOptions,
    "fashion_mnist": FashionOptions,
    "imagefolder": FolderOptions,
    "loader": NoOptions,
    "timm": TimmOptions,
}


def read_options(name: str, options: dict[str, Any]) -> Any:
    """Validate the options of a data set.

    Args:
        name: The name of the data set.
        options: Its options, from YAML or flags.

    Returns:
        The options as a frozen value, or as they are for a data set of the user's own.

    Raises:
        UserError: If an option is unknown or out of range.
    """
    kind = OPTIONS.get("timm" if name.startswith("timm:") else name)
    return options if kind is None else parse_fields(kind, options, f"options of {name}")
