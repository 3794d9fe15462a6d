"""Load a data set by name as three splits: train, search and test.

The search split is the first images of every class of the training images, as in the EAN paper
(arXiv 2011.14058). The test images serve no choice: they are for the retrained network.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field, field_validator

from ean_search.data.cluttered import CLASSES, Canvas, load_canvases
from ean_search.data.splits import Split, TensorSplit, crop_and_flip
from ean_search.utils.config import FrozenConfig, parse_fields
from ean_search.utils.errors import UserError, first_line, unknown_name
from ean_search.utils.registry import lookup

CIFAR_NORMAL = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
CANVAS_NORMAL = (0.5,) * 3, (0.25,) * 3
DATA_SETS = {
    "cluttered": "ean_search.data.datasets:load_cluttered",
    "cifar10": "ean_search.data.datasets:load_cifar",
    "cifar100": "ean_search.data.datasets:load_cifar",
    "imagefolder": "ean_search.data.file_datasets:load_folders",
    "timm": "ean_search.data.file_datasets:load_timm",
}


class TimmOptions(FrozenConfig):
    """What `timm.data.create_dataset` needs to be told beside name and root."""

    train: str = "train"
    test: str = "validation"
    search: str | None = None  # a split of its own, for data that can only be streamed
    classes: int | None = None  # needed where the data set does not say
    input_key: str | None = None
    target_key: str | None = None


class NoOptions(FrozenConfig):
    """The options of a data set that has none."""


class DataSource(FrozenConfig):
    """Which data to use, and where it is."""

    name: str = "cluttered"
    root: str | None = None
    image_size: int | None = Field(default=None, ge=8)
    search_per_class: int | None = Field(default=None, ge=1)
    workers: int = Field(default=4, ge=0)  # loader processes, at most one a CPU
    download: bool = False
    seed: int = Field(default=0, ge=0)  # of generated data, and of streams
    options: dict[str, Any] = {}

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name == "timm" or (":" not in name and name not in DATA_SETS):
            known = [*(DATA_SETS.keys() - {"timm"}), "timm:<name>", "module:function"]
            raise unknown_name("data set", name, known)
        return name

    @field_validator("options")
    @classmethod
    def _readable(cls, options: dict[str, Any], info: Any) -> dict[str, Any]:
        if "name" in info.data:
            read_options(info.data["name"], options)
        return options


@dataclass(frozen=True)
class Data:
    """A data set's three splits, and the first two as one for retraining."""

    name: str
    classes: int
    image_size: int
    train: Split
    search: Split
    test: Split
    train_and_search: Split


def load_data(source: DataSource) -> Data:
    """Load a data set by its name, or by the `module:function` that makes one of a source."""
    name = "timm" if source.name.startswith("timm:") else source.name
    return lookup(name, DATA_SETS, "data set")(source)


def read_options(name: str, options: dict[str, Any]) -> Any:
    """Validate the options of a data set; those of a user's own are the user's to check."""
    if name not in DATA_SETS and not name.startswith("timm:"):
        return options
    kind = {"cluttered": Canvas}.get(name, TimmOptions if ":" in name else NoOptions)
    return parse_fields(kind, options, f"options of {name}")


def hold_out(labels: np.ndarray, count: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the positions of all but the first `count` images of every class, and of those."""
    searched = np.zeros(len(labels), dtype=bool)
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        if len(members) <= count:
            raise UserError(
                f"class {label} has {len(members)} training images: too few to hold {count} out "
                "for the search; give a smaller data.search_per_class"
            )
        searched[members[:count]] = True
    return np.flatnonzero(~searched), np.flatnonzero(searched)


def load_cluttered(source: DataSource) -> Data:
    """Load the embedded data, generating it if it is not in the cache."""
    canvas = read_options(source.name, source.options)
    size = source.image_size or 32
    drawn = {k: torch.from_numpy(v) for k, v in load_canvases(canvas, size, source.seed).items()}
    train = drawn["train_images"], drawn["train_labels"]
    test = drawn["test_images"], drawn["test_labels"]
    return _in_memory(source, CLASSES, size, train, test, per_class=100, normal=CANVAS_NORMAL)


def load_cifar(source: DataSource) -> Data:
    """Load CIFAR-10 or CIFAR-100 with the augmentation of the papers."""
    from torchvision import datasets

    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[source.name]
    root = source.root or "data"
    parts = []
    for train in (True, False):
        try:
            part = kind(root, train=train, download=source.download)
        except Exception as error:  # the network's, the archive's and the pickle's
            raise _cifar_error(Path(root, kind.base_folder), source, error) from error
        images = torch.from_numpy(part.data).permute(0, 3, 1, 2)
        parts.append((images, torch.tensor(part.targets)))
    size, classes = source.image_size or 32, len(part.classes)
    return _in_memory(
        source, classes, size, *parts, per_class=50, normal=CIFAR_NORMAL, augment=crop_and_flip
    )


def _cifar_error(folder: Path, source: DataSource, error: Exception) -> UserError:
    if source.download:
        return UserError(f"cannot get {source.name} into {folder}: {first_line(error)}")
    if not folder.is_dir():
        return UserError(f"no {source.name} at {folder}; give --data-root, or --download to get it")
    return UserError(f"{source.name} at {folder} is incomplete or corrupt; --download gets it anew")


def _in_memory(
    source: DataSource,
    classes: int,
    size: int,
    train: tuple[torch.Tensor, torch.Tensor],
    test: tuple[torch.Tensor, torch.Tensor],
    *,
    per_class: int,
    **options: Any,
) -> Data:
    """Split tensors; a test image is never augmented, whoever asks for a training order."""
    count = source.search_per_class or per_class
    trained, searched = hold_out(train[1].numpy(), count, classes)
    plain = options | {"size": size, "augment": None}
    return Data(
        source.name,
        classes,
        size,
        TensorSplit(*train, trained, size=size, **options),
        TensorSplit(*train, searched, **plain),
        TensorSplit(*test, **plain),
        TensorSplit(*train, size=size, **options),
    )
