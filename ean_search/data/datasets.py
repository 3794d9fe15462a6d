"""Load a data set by name as three splits: train, search and test.

The search split holds the first training images of every class, as in the EAN paper
(arXiv 2011.14058). Test images play no part in the search: they are for the retrained network.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor

from ean_search.data.cluttered import NUM_CLASSES, load_canvases
from ean_search.data.options import read_options
from ean_search.data.splits import MeanStd, Split, TensorSplit, crop_and_flip
from ean_search.utils.config import MAX_COUNT, MAX_IMAGE_SIZE, MAX_PROCESSES, MAX_SEED, FrozenConfig
from ean_search.utils.errors import UserError, first_line, unknown_name
from ean_search.utils.registry import call_plugin, lookup
from ean_search.utils.trust import PluginName

CIFAR_MEAN_STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
CANVAS_MEAN_STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
DATA_SETS = {
    "cluttered": "ean_search.data.datasets:load_cluttered",
    "cifar10": "ean_search.data.datasets:load_cifar",
    "cifar100": "ean_search.data.datasets:load_cifar",
    "fashion_mnist": "ean_search.data.fashion_mnist:load_fashion_mnist",
    "imagefolder": "ean_search.data.file_datasets:load_folders",
    "timm": "ean_search.data.file_datasets:load_timm",
    "loader": "ean_search.data.loader:refuse_loader",
}


class DataSource(FrozenConfig):
    """Which data to use, and where it is.

    Attributes:
        name: `cluttered` (the embedded data), `cifar10`, `cifar100`, `fashion_mnist`,
            `imagefolder`, `timm:<name>`, `loader` (of `search_attention`), or `module:function`
            of your own, which takes a `DataSource` and returns `Data`.
        root: The folder of the data.
        image_size: Height and width in pixels; None: 32, 28 of Fashion-MNIST, 224 of image files.
        search_per_class: Training images of each class that are held out for the search.
        train_per_class: Training images of each class that are used at all, the first ones, those
            for the search included; None: all.
        test_per_class: Test images of each class that are used, the first ones; None: all.
        workers: The number of loader processes; no more are used than there are CPUs.
        download: Whether missing data may be downloaded.
        mean_std: The mean and the standard deviation of each channel, for values from 0 to 1, by
            which images are normalised; None: those that are usual for the data set.
        seed: Of generated data, and of the order of streams.
        options: Options of the data set by name; see options.py.
    """

    name: PluginName = "cluttered"
    root: str | None = None
    image_size: int | None = Field(default=None, ge=8, le=MAX_IMAGE_SIZE)
    search_per_class: int | None = Field(default=None, ge=1, le=MAX_COUNT)
    train_per_class: int | None = Field(default=None, ge=2, le=MAX_COUNT)
    test_per_class: int | None = Field(default=None, ge=1, le=MAX_COUNT)
    workers: int = Field(default=4, ge=0, le=MAX_PROCESSES)
    download: bool = False
    mean_std: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    options: dict[str, Any] = {}

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if name == "timm" or (":" not in name and name not in DATA_SETS):
            known = [*(DATA_SETS.keys() - {"timm", "loader"}), "timm:<name>", "module:function"]
            raise unknown_name("data set", name, known)
        return name

    @field_validator("options")
    @classmethod
    def _check_options(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "name" in info.data:
            read_options(info.data["name"], options)
        return options


@dataclass(frozen=True)
class Data:
    """A data set.

    Attributes:
        name: The name by which it was loaded.
        classes: The number of classes.
        image_size: Height and width of its images in pixels.
        train: Images that train the networks of a search.
        search: Images on which a search compares placements.
        test: Images for the final networks.
        train_and_search: `train` and `search` together, for retraining.
        class_names: The names of the classes, in the order of their labels; None: not known.
        channels: The number of channels of its images: 3, or 1 for gray ones.
    """

    name: str
    classes: int
    image_size: int
    train: Split
    search: Split
    test: Split
    train_and_search: Split
    class_names: tuple[str, ...] | None = None
    channels: int = 3


def load_data(source: DataSource) -> Data:
    """Load a data set.

    Args:
        source: Which data to use, and where it is.

    Raises:
        UserError: If the data is not there, cannot be read, or has too few images of a class.

    Example:
        >>> data = load_data(DataSource(name="imagefolder", root="photos", image_size=160))
        >>> images, labels = next(data.train.batches(64, shuffle=(0,)))
    """
    data = _load(source)
    return data if source.mean_std is None else _normalised(data, source.mean_std)


def _load(source: DataSource) -> Data:
    if not imports_data(source.name):
        name = source.name.partition(":")[0]
        return cast(Data, lookup(name, DATA_SETS, "data set")(source))
    load = lookup(source.name, {}, "data set")
    data = call_plugin(load, "data set", source.name, source)
    if not isinstance(data, Data):
        raise UserError(f"data set {source.name!r} returns {type(data).__name__}, not Data")
    return data


def _normalised(data: Data, mean_std: MeanStd) -> Data:
    """Return data whose splits normalise images in another way than is usual for it."""
    return replace(
        data,
        train=data.train.normalised(mean_std),
        search=data.search.normalised(mean_std),
        test=data.test.normalised(mean_std),
        train_and_search=data.train_and_search.normalised(mean_std),
    )


def imports_data(name: str) -> bool:
    """Say whether a name stands for code outside the package and timm."""
    return ":" in name and not name.startswith("timm:")


def hold_out(
    labels: np.ndarray, count: int, classes: int, limit: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Divide training images into those for training and those for the search.

    Args:
        labels: The class of every image.
        count: The number of images of each class to hold out for the search.
        classes: The number of classes.
        limit: The number of images of each class to use, the first ones; None: all.

    Returns:
        The indices of the images for training, and of the first `count` images of every class.

    Raises:
        UserError: If a class has too few images.
    """
    held_out, unused = np.zeros(len(labels), dtype=bool), np.zeros(len(labels), dtype=bool)
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        unused[members[limit:] if limit else []] = True
        members = members[:limit]
        if len(members) <= count:
            raise UserError(
                f"class {label} has {len(members)} training images: too few to hold {count} out "
                "for the search; give a smaller data.search_per_class"
            )
        held_out[members[:count]] = True
    return np.flatnonzero(~held_out & ~unused), np.flatnonzero(held_out)


def first_of_each_class(labels: np.ndarray, limit: int | None) -> np.ndarray:
    """Return the indices of the first images of every class, in order; of all if there is no limit.

    Args:
        labels: The class of every image.
        limit: The number of images of each class; None: all.
    """
    members = [np.flatnonzero(labels == label)[:limit] for label in np.unique(labels)]
    return np.sort(np.concatenate(members))


def load_cluttered(source: DataSource) -> Data:
    """Load the embedded data, generating it if it is not in the cache."""
    options = read_options(source.name, source.options)
    size = source.image_size or 32
    arrays = load_canvases(options, size, source.seed)
    train, test = (
        (torch.from_numpy(arrays[f"{part}_images"]), torch.from_numpy(arrays[f"{part}_labels"]))
        for part in ("train", "test")
    )
    digits = tuple(map(str, range(NUM_CLASSES)))
    counts = source.search_per_class or 200, source.train_per_class, source.test_per_class
    properties = TensorProperties(source.name, digits, size, *counts)
    return split_tensors(properties, train, test, mean_std=CANVAS_MEAN_STD)


def load_cifar(source: DataSource) -> Data:
    """Load CIFAR-10 or CIFAR-100, with the augmentation of the papers."""
    from torchvision import datasets

    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[source.name]
    root = source.root or "data"
    parts = []
    for train in (True, False):
        try:
            part = kind(root, train=train, download=source.download)
        except Exception as error:  # from the network, the archive or the pickle
            raise _cifar_error(Path(root, kind.base_folder), source, error) from error
        images = torch.from_numpy(part.data).permute(0, 3, 1, 2)
        parts.append((images, torch.tensor(part.targets)))
    size = source.image_size or 32
    names = tuple(part.classes)
    counts = source.search_per_class or 50, source.train_per_class, source.test_per_class
    properties = TensorProperties(source.name, names, size, *counts)
    return split_tensors(properties, *parts, mean_std=CIFAR_MEAN_STD, augment=crop_and_flip)


def _cifar_error(folder: Path, source: DataSource, error: Exception) -> UserError:
    if source.download:
        return UserError(f"cannot get {source.name} into {folder}: {first_line(error)}")
    if not folder.is_dir():
        return UserError(f"no {source.name} at {folder}; give --data-root, or --download to get it")
    return UserError(f"{source.name} at {folder} is incomplete or corrupt; --download gets it anew")


@dataclass(frozen=True)
class TensorProperties:
    """Properties of a data set that is held as tensors.

    Attributes:
        name: The name by which it is loaded.
        class_names: The names of its classes, in the order of their labels.
        size: Height and width to which its images are scaled.
        search_per_class: Training images of each class that are held out for the search.
        train_per_class: Training images of each class that are used at all; None: all.
        test_per_class: Test images of each class that are used; None: all.
    """

    name: str
    class_names: tuple[str, ...]
    size: int
    search_per_class: int
    train_per_class: int | None
    test_per_class: int | None = None


def split_tensors(
    properties: TensorProperties,
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    mean_std: MeanStd,
    augment: Callable[[Tensor, np.random.Generator], Tensor] | None = None,
) -> Data:
    """Make the splits of images and labels; search and test images are never augmented.

    Args:
        properties: Names and numbers.
        train: Images (images, channels, height, width) as bytes, and labels (images).
        test: The same, to test with.
        mean_std: Normalises them, channel by channel.
        augment: Changes a batch of training images, by a generator.

    Raises:
        UserError: If a class has too few images.
    """
    classes = len(properties.class_names)
    counts = properties.search_per_class, classes, properties.train_per_class
    training, held_out = hold_out(train[1].numpy(), *counts)
    plain = partial(TensorSplit, mean_std=mean_std, size=properties.size)
    return Data(
        properties.name,
        classes,
        properties.size,
        train=plain(*train, training, augment=augment),
        search=plain(*train, held_out),
        test=plain(*test, first_of_each_class(test[1].numpy(), properties.test_per_class)),
        train_and_search=plain(*train, np.union1d(training, held_out), augment=augment),
        class_names=properties.class_names,
        channels=train[0].shape[1],
    )
