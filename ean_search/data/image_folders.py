"""Finds images in folders: root/train and root/val, or one folder of classes that is divided."""

import copy
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS

from ean_search.data.image_files import check_image_folder, open_image
from ean_search.utils.errors import UserError

TEST_FOLDERS = "val", "validation", "test"
MAX_NAMES = 5  # of classes in a message
EXAMPLE = "--val-split 0.2"


def open_image_folders(
    root: str | None, val_split: float | None, seed: int
) -> tuple[ImageFolder, ImageFolder]:
    """Open the images for training and those for the test.

    Args:
        root: The folder that holds train, and val or validation or test; with `val_split`, it may
            hold the folders of the classes itself.
        val_split: The share of the images of every class to test with, where there is no folder
            for them.
        seed: Of the choice of these images.

    Raises:
        UserError: If folders, classes or images are missing; the message lists all that is.
    """
    if root is None:
        raise UserError(
            "imagefolder needs --data-root (data.root): the folder that holds train and val, each "
            f"with a folder a class; or one with a folder a class, and {EXAMPLE}"
        )
    if not Path(root).is_dir():
        raise UserError(f"no folder {root}: expected one with train and val, or a folder a class")
    train, test = _find_folders(Path(root), val_split)
    problems = [*_problems(train), *_problems(test)] if test else [*_problems(train)]
    if test:
        problems += _different_classes(train, test)
    if problems:
        raise UserError(f"images at {root}: {'; '.join(problems)}")
    if test:
        return _open(train), _open(test)
    assert val_split is not None, "without a folder for the test there is a share for it"
    return divide(_open(train), val_split, seed)


def _open(folder: Path) -> ImageFolder:
    return ImageFolder(str(folder), loader=open_image)


def divide(folder: ImageFolder, share: float, seed: int) -> tuple[ImageFolder, ImageFolder]:
    """Divide images at random, class by class; at least one image of each class is in each part.

    Args:
        folder: The images.
        share: The share of the second part.
        seed: The same seed divides the same files in the same way.

    Raises:
        UserError: If a class has a single image.
    """
    rng, targets = np.random.default_rng(seed), np.array(folder.targets)
    second = np.zeros(len(targets), dtype=bool)
    for label, name in enumerate(folder.classes):
        members = rng.permutation(np.flatnonzero(targets == label))
        if len(members) < 2:
            raise UserError(f"class {name!r} has one image: too few to divide")
        count = min(max(1, round(share * len(members))), len(members) - 1)
        second[members[:count]] = True
    return _select(folder, ~second), _select(folder, second)


def _select(folder: ImageFolder, chosen: np.ndarray) -> ImageFolder:
    selected = copy.copy(folder)
    selected.samples = [folder.samples[i] for i in np.flatnonzero(chosen)]
    selected.imgs, selected.targets = selected.samples, [label for _, label in selected.samples]
    return selected


def _find_folders(root: Path, val_split: float | None) -> tuple[Path, Path | None]:
    """Return the folders of training and test; no second one if the first is to be divided."""
    train = root / "train"
    test = next((root / name for name in TEST_FOLDERS if (root / name).is_dir()), None)
    if val_split is None:
        return train, test or root / TEST_FOLDERS[0]
    if test and train.is_dir():
        raise UserError(f"{test} holds images to test with: leave val_split out")
    return (train if train.is_dir() else root), None


def _problems(folder: Path) -> Iterator[str]:
    """Yield what a folder of classes lacks."""
    if not folder.is_dir():
        yield f"no folder {folder.name}{_advice(folder)}"
        return
    check_image_folder(folder)  # first: a loop of links would be followed for ever
    classes = _classes(folder)
    if not classes:
        yield f"no folder of a class in {folder}"
    if empty := [name for name in classes if not _has_images(folder / name)]:
        yield f"no images in {folder.name} of {_names(empty)}"


def _advice(folder: Path) -> str:
    """Return how to do without a folder, if its neighbours have images."""
    root, train = folder.parent, folder.parent / "train"
    if folder == train:
        classes = [name for name in _classes(root) if _has_images(root / name)]
        found = sum(name not in TEST_FOLDERS for name in classes)
        return f" ({EXAMPLE} takes the {found} folders there as classes)" if found else ""
    names = f" (nor {' or '.join(TEST_FOLDERS[1:])})"
    return f"{names[:-1]}; {EXAMPLE} holds out a part of train)" if train.is_dir() else names


def _different_classes(train: Path, test: Path) -> Iterator[str]:
    """Yield the classes that only one of two folders has."""
    if train.is_dir() and test.is_dir():
        for one, other in ((train, test), (test, train)):
            own = sorted(set(_classes(one)) - set(_classes(other)))
            if own:
                yield f"only {one.name} has {_names(own)}"


def _classes(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())


def _has_images(folder: Path) -> bool:
    walk = os.walk(folder, followlinks=True)
    return any(name.lower().endswith(IMG_EXTENSIONS) for _, _, names in walk for name in names)


def _names(names: Sequence[str]) -> str:
    listed = ", ".join(map(repr, names[:MAX_NAMES]))
    return f"{listed} and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else listed
