"""Load data sets of image files: folders, and every data set that timm reads."""

import os
from collections.abc import Sized
from pathlib import Path
from typing import Any, cast

import numpy as np
from timm.data.dataset_factory import create_dataset

from ean_search.data.datasets import Data, DataSource, first_of_each_class, hold_out
from ean_search.data.file_splits import LoaderSplit, Stream, StreamSplit
from ean_search.data.image_files import FolderImages, check_image_folder
from ean_search.data.image_folders import open_image_folders
from ean_search.data.options import TimmOptions, read_options
from ean_search.data.splits import Seed
from ean_search.data.transforms import make_transform
from ean_search.utils.errors import UserError, first_line
from ean_search.utils.seeding import derive_seed
from ean_search.utils.trust import refuse_foreign

STREAM_READERS = "hfids", "tfds", "wds"  # timm's readers that cannot index their images
REMOTE_READERS = "hfds", "hfids", "tfds"  # timm's readers whose root may be missing


def load_folders(source: DataSource) -> Data:
    """Load image folders: root/train, and root/val or validation or test.

    Each of them has one folder per class. With the option `val_split`, root or root/train is
    divided, class by class.

    Raises:
        UserError: If folders or images are missing, or the classes differ.
    """
    val_split = read_options(source.name, source.options).val_split
    train_set, test_set = open_image_folders(source.root, val_split, source.seed)
    return _split(source, train_set, test_set, len(train_set.classes), search_per_class=100)


def load_timm(source: DataSource) -> Data:
    """Load a data set of `timm.data.create_dataset`, map-style or a stream.

    Raises:
        UserError: If timm cannot read it, or its train and test split are the same files.
    """
    options = read_options(source.name, source.options)
    if _reader_name(source) == "wds":  # lists of files there may name programs to run
        refuse_foreign([source.name])
    if _reader_name(source) in STREAM_READERS:
        return _load_streams(source, options)
    if options.max_images is not None:
        raise UserError(
            f"data.options.max_images limits streams; {source.name} is no stream: give "
            "data.train_per_class or data.test_per_class"
        )
    train, test = (_create(source, options, split) for split in (options.train, options.test))
    if _files(train) and _files(train) == _files(test):
        raise UserError(
            f"{source.name} at {source.root}: the splits {options.train!r} and {options.test!r} "
            "are the same files; name others with data.options train and test"
        )
    return _split(source, train, test, options.classes, search_per_class=50)


def _reader_name(source: DataSource) -> str:
    """Return the part of timm's name that selects a reader."""
    return source.name.removeprefix("timm:").partition("/")[0].lower()


def _split(
    source: DataSource, train: Any, test: Any, classes: int | None, *, search_per_class: int
) -> Data:
    """Make the splits of two map-style data sets."""
    labels = _labels(train)
    classes = classes or int(labels.max()) + 1
    size = source.image_size or 224
    count, limit = source.search_per_class or search_per_class, source.train_per_class
    training, held_out = hold_out(labels, count, classes, limit)
    testing = np.arange(len(test))
    if source.test_per_class is not None:
        testing = first_of_each_class(_labels(test), source.test_per_class)

    def split(dataset: Any, indices: np.ndarray, known: np.ndarray | None = None) -> LoaderSplit:
        return LoaderSplit(
            dataset,
            indices,
            train=make_transform(size, training=True),
            evaluation=make_transform(size, training=False),
            size=size,
            workers=source.workers,
            labels=None if known is None else known[indices],
        )

    return Data(
        source.name,
        classes,
        size,
        train=split(train, training),
        search=split(train, held_out, labels),
        test=split(test, testing),
        train_and_search=split(train, np.union1d(training, held_out)),
        class_names=_class_names(train, classes),
    )


def _create(source: DataSource, options: TimmOptions, split: str, **more: Any) -> Any:
    """Create timm's data set; every error becomes one line."""
    name, root = source.name.removeprefix("timm:"), source.root
    local = _reader_name(source) not in REMOTE_READERS
    if local and not source.download and not os.path.exists(root or ""):
        raise UserError(f"{source.name}: nothing at {root or 'data.root, which is not given'}")
    if "/" in name:  # a plain folder takes no download and no keys
        keys = {"input_key": options.input_key, "target_key": options.target_key}
        more |= keys | {"download": source.download}
    else:
        check_image_folder(Path(root or "."))
    try:
        dataset = create_dataset(name, root, split, **more)
        return dataset if "/" in name else FolderImages(dataset.reader)
    except Exception as error:  # readers raise errors of many kinds
        raise UserError(f"{source.name}, split {split!r}: {first_line(error)}") from error


def _labels(dataset: Any) -> np.ndarray:
    """Read every label, if possible without decoding the images."""
    reader: Any = getattr(dataset, "reader", None)
    if hasattr(dataset, "targets"):
        labels = dataset.targets
    elif hasattr(reader, "samples"):
        labels = [label for _, label in reader.samples]
    elif hasattr(reader, "iter_targets"):
        labels = list(reader.iter_targets())
    else:
        labels = [dataset[i][1] for i in range(len(dataset))]
    return np.asarray(labels, dtype=np.int64)


def _class_names(dataset: Any, classes: int) -> tuple[str, ...] | None:
    """Return the names of the classes in the order of their labels, if the data set has them."""
    reader: Any = getattr(dataset, "reader", None)
    indices = getattr(reader, "class_to_idx", None) or getattr(dataset, "class_to_idx", None) or {}
    names = {index: str(name) for name, index in indices.items()}
    if set(names) != set(range(classes)):
        return None
    return tuple(names[label] for label in range(classes))


def _files(dataset: Any) -> list[str]:
    """List the files of a folder; other data sets have none."""
    samples = getattr(dataset, "samples", getattr(getattr(dataset, "reader", None), "samples", []))
    return [str(path) for path, _ in samples]


def _load_streams(source: DataSource, options: TimmOptions) -> Data:
    """Load data that cannot be indexed; each split has a name of its own."""
    if options.search is None or options.classes is None:
        raise UserError(
            f"{source.name} can only be streamed, so no images of a class can be held out: name a "
            "split for the search in data.options search, and the number of classes in classes"
        )
    if source.train_per_class is not None or source.test_per_class is not None:
        raise UserError(
            f"{source.name} can only be streamed: images of each class cannot be counted out; "
            "data.options.max_images limits each split"
        )
    size = source.image_size or 224
    names = {"train": options.train, "search": options.search, "test": options.test}
    splits = {part: _stream(source, options, name, size) for part, name in names.items()}
    # The search split of a stream is not part of its training split, and streams cannot be joined.
    train, search, test = (splits[part] for part in ("train", "search", "test"))
    return Data(source.name, options.classes, size, train, search, test, train_and_search=train)


def _stream(source: DataSource, options: TimmOptions, split: str, size: int) -> StreamSplit:
    def opener(shuffle: Seed | None) -> Stream:
        training = shuffle is not None
        seed = derive_seed(source.seed, *(shuffle or ()))
        stream: Any = _create(source, options, split, is_training=training, seed=seed)
        stream.transform = make_transform(size, training=training)
        return cast(Stream, stream)

    count = len(cast(Sized, opener(None)))
    if options.max_images is not None:
        count = min(count, options.max_images)
    return StreamSplit(opener, count, size=size, workers=source.workers)
