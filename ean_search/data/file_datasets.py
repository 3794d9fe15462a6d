"""Load data sets whose images lie in files: torchvision's ImageFolder, and all that timm reads."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from timm.data import create_dataset
from torch.utils.data import IterableDataset
from torchvision.datasets import ImageFolder

from ean_search.data.datasets import Data, DataSource, TimmOptions, hold_out, read_options
from ean_search.data.file_splits import LoaderSplit, StreamSplit
from ean_search.data.splits import Seed
from ean_search.data.transforms import make_transform
from ean_search.utils.errors import UserError, first_line
from ean_search.utils.seeding import derive_seed

TEST_FOLDERS = "val", "validation", "test"
STREAMS = "hfids", "tfds", "wds"


def load_folders(source: DataSource) -> Data:
    """Load root/train and root/val (or validation, or test), a folder a class."""
    if source.root is None:
        raise UserError("imagefolder needs data.root: the folder that holds train and val")
    root = Path(source.root)
    train, tests = root / "train", [root / name for name in TEST_FOLDERS]
    test = next((folder for folder in tests if folder.is_dir()), tests[0])
    for folder in (train, test):
        if not folder.is_dir():
            raise UserError(f"no images at {folder}, a folder with a folder a class")
    try:
        parts = [ImageFolder(str(folder)) for folder in (train, test)]
    except FileNotFoundError as error:  # no classes, or one without images
        raise UserError(f"no images: {first_line(error)}") from error
    odd = sorted(set(parts[0].classes) ^ set(parts[1].classes))
    if odd:
        raise UserError(f"{train} and {test} differ in their classes: only one has {odd[0]!r}")
    return _split(source, *parts, len(parts[0].classes), default=100)


def load_timm(source: DataSource) -> Data:
    """Load what `timm.data.create_dataset` takes, map-style or as a stream."""
    options = read_options(source.name, source.options)
    if source.name.removeprefix("timm:").partition("/")[0].lower() in STREAMS:
        return _load_streams(source, options)
    train, test = (_create(source, options, split) for split in (options.train, options.test))
    if _files(train) and _files(train) == _files(test):
        raise UserError(
            f"{source.name} at {source.root}: the splits {options.train!r} and {options.test!r} "
            "are the same files; name others with data.options train and test"
        )
    return _split(source, train, test, options.classes, default=50)


def _split(source: DataSource, train: Any, test: Any, classes: int | None, *, default: int) -> Data:
    """Make the splits of two map-style data sets."""
    labels = _labels(train)
    classes = classes or int(labels.max()) + 1
    size = source.image_size or 224
    chosen = hold_out(labels, source.search_per_class or default, classes)
    split = partial(
        LoaderSplit,
        train=make_transform(size, training=True),
        evaluation=make_transform(size, training=False),
        size=size,
        workers=source.workers,
    )
    return Data(
        source.name,
        classes,
        size,
        split(train, chosen[0]),
        split(train, chosen[1]),
        split(test, np.arange(len(test))),
        split(train, np.arange(len(train))),
    )


def _create(source: DataSource, options: TimmOptions, split: str, **more: Any) -> Any:
    """Create timm's data set, wording whatever goes wrong as one line."""
    name, root = source.name.removeprefix("timm:"), source.root
    local = name.partition("/")[0].lower() not in ("hfds", "hfids", "tfds")
    if local and not source.download and not os.path.exists(root or ""):
        raise UserError(f"{source.name}: nothing at {root or 'data.root, which is not given'}")
    if "/" in name:  # a plain folder knows no download and no keys
        keys = {"input_key": options.input_key, "target_key": options.target_key}
        more |= keys | {"download": source.download}
    try:
        return create_dataset(name, root, split, **more)
    except Exception as error:  # every reader fails in its own way
        raise UserError(f"{source.name}, split {split!r}: {first_line(error)}") from error


def _labels(dataset: Any) -> np.ndarray:
    """Read every label, without decoding an image where the data set lets one."""
    reader = getattr(dataset, "reader", None)
    if hasattr(dataset, "targets"):
        labels = dataset.targets
    elif hasattr(reader, "samples"):
        labels = [label for _, label in reader.samples]
    elif hasattr(reader, "iter_targets"):
        labels = list(reader.iter_targets())
    else:
        labels = [dataset[i][1] for i in range(len(dataset))]
    return np.asarray(labels, dtype=np.int64)


def _files(dataset: Any) -> list[str]:
    """Name a folder's files, nothing for other data sets."""
    samples = getattr(dataset, "samples", getattr(getattr(dataset, "reader", None), "samples", []))
    return [str(path) for path, _ in samples]


def _load_streams(source: DataSource, options: TimmOptions) -> Data:
    """Load data that cannot be indexed, each split by its own name."""
    if options.search is None or options.classes is None:
        raise UserError(
            f"{source.name} can only be streamed, so no images of a class can be held out: name a "
            "split for the search in data.options search, and the number of classes in classes"
        )
    size = source.image_size or 224
    names = {"train": options.train, "search": options.search, "test": options.test}
    splits = {part: _stream(source, options, name, size) for part, name in names.items()}
    # A stream's search split was never part of its training split: there is nothing to join.
    return Data(source.name, options.classes, size, **splits, train_and_search=splits["train"])


def _stream(source: DataSource, options: TimmOptions, split: str, size: int) -> StreamSplit:
    def opener(shuffle: Seed | None) -> IterableDataset:
        training = shuffle is not None
        seed = derive_seed(source.seed, *(shuffle or ()))
        stream = _create(source, options, split, is_training=training, seed=seed)
        stream.transform = make_transform(size, training=training)
        return stream

    return StreamSplit(opener, len(opener(None)), size=size, workers=source.workers)
