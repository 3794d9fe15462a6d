"""`check_dataset`: checks whether a data set keeps the contract in data/datasets.py."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ean_search.data.datasets import Data, DataSource, load_data
from ean_search.data.splits import Split
from ean_search.utils.errors import UserError

BATCH_SIZE = 16
OTHER_SIZE = 48  # pixels; a size that no data set has by itself
SPLITS = ("train", "search", "test", "train_and_search")


def check_dataset(load: str | Callable[[DataSource], Data], **source: Any) -> None:
    """Check whether a data set keeps the contract; raise an error if it does not.

    Splits must give all their images in order, the same each time; normalised, finite, and of the
    size that was asked for; with labels from 0 on. Training batches must be full and depend on
    their seed alone. Test images must be no training images.

    Args:
        load: A registered name, `module:function`, or a function.
        source: Fields of `DataSource`, such as `root` and `options`.

    Raises:
        UserError: If the data cannot be loaded, or breaks the contract; the message says where.

    Example:
        >>> check_dataset("cluttered", options={"train": 400, "test": 100}, search_per_class=10)
        >>> check_dataset(load, root="photos")
    """
    name = load if isinstance(load, str) else f"{load.__module__}:{load.__name__}"
    get = load_data if isinstance(load, str) else load
    data = get(DataSource(name=name, **source))
    _require(isinstance(data, Data), f"data set {name!r} gives {type(data).__name__}, not Data")
    for split in SPLITS:
        _check_split(getattr(data, split), data, f"data set {name!r}, split {split}")
    _check_division(data, f"data set {name!r}")
    other = get(DataSource(**{"name": name, **source, "image_size": OTHER_SIZE}))
    where = f"data set {name!r} with image_size={OTHER_SIZE}"
    _require(other.image_size == OTHER_SIZE, f"{where} says that it has {other.image_size}")
    _check_batch(*next(iter(other.test.batches(BATCH_SIZE))), other, where)


def _check_split(split: Split, data: Data, where: str) -> None:
    _require(len(split) > 0, f"{where} is empty")
    images, labels = _read(split)
    _check_batch(images, labels, data, where)
    found = f"{where} gives {len(labels)} images, not the {len(split)} of its len()"
    _require(len(labels) == len(split), found)
    _require(torch.equal(images, _read(split)[0]), f"{where} gives other images when asked again")
    size = min(BATCH_SIZE, len(split))
    batches = [_first_training_batch(split, size) for _ in range(2)]
    _require(len(batches[0]) == size, f"{where} gives training batches of {len(batches[0])}")
    _require(torch.equal(*batches), f"{where} gives other training batches for the same seed")


def _check_batch(images: Tensor, labels: Tensor, data: Data, where: str) -> None:
    shape, size = tuple(images.shape), data.image_size
    expected = (len(labels), data.channels, size, size)
    _require(shape == expected, f"{where} gives images {shape}, not {expected}")
    _require(images.dtype == torch.float32, f"{where} gives images of {images.dtype}, not float32")
    _require(bool(images.isfinite().all()), f"{where} gives pixels that are not finite")
    _require(labels.dtype == torch.int64, f"{where} gives labels of {labels.dtype}, not int64")
    low, high = int(labels.min()), int(labels.max())
    within = low >= 0 and high < data.classes
    _require(within, f"{where} gives labels {low} to {high}, not 0 to {data.classes - 1}")


def _check_division(data: Data, where: str) -> None:
    """Check that training and search images make up those for retraining, and no class is empty."""
    parts = f"{len(data.train)} and {len(data.search)}"
    whole = len(data.train_and_search)
    complete = len(data.train) + len(data.search) == whole
    _require(complete, f"{where}: train and search have {parts} images, both together {whole}")
    for name in ("train", "search"):
        missing = set(range(data.classes)) - set(_read(getattr(data, name))[1].tolist())
        _require(not missing, f"{where}: no {name} image is of class {min(missing, default=0)}")
    trained = {image.numpy().tobytes() for image in _read(data.train_and_search)[0]}
    same = sum(image.numpy().tobytes() in trained for image in _read(data.test)[0])
    _require(not same, f"{where}: {same} test images are training images, too")


def _read(split: Split) -> tuple[Tensor, Tensor]:
    images, labels = zip(*split.batches(BATCH_SIZE), strict=True)
    return torch.cat(images), torch.cat(labels)


def _first_training_batch(split: Split, size: int) -> Tensor:
    return next(iter(split.batches(size, shuffle=(0, 1))))[0]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UserError(message)
