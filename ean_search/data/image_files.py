"""Image files of any kind: what becomes of their pixels, and which folders hold them once only."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS

from ean_search.utils.errors import UserError

MAX_16_BIT = 2**16 - 1


def open_image(path: str) -> Image.Image:
    """Open an image file without a change of its pixels; `to_rgb` converts them."""
    with open(path, "rb") as file:
        image = Image.open(file)
        image.load()
    return image


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image to 8 bits a channel, in red, green and blue.

    Images of 16 bits are scaled; Pillow alone would make all bright pixels white.

    Raises:
        UserError: If its pixels are floats or larger numbers, whose white nobody knows.
    """
    if image.mode == "F":
        raise UserError("its pixels are floats: save it with 8 or 16 bits a channel")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > MAX_16_BIT:
            raise UserError("its pixels have more than 16 bits: save it with 8 or 16")
        image = Image.fromarray((values * 255 / MAX_16_BIT).round().astype(np.uint8))
    return image.convert("RGB")


@contextmanager
def no_bombs() -> Iterator[None]:
    """Refuse images of absurd sizes in the block, where Pillow would only warn of some."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


class FolderImages:
    """The images that timm's reader of folders lists, opened without its conversion to 8 bits.

    Args:
        reader: The reader.
    """

    def __init__(self, reader: Any) -> None:
        self.samples: list[tuple[str, int]] = [(str(path), label) for path, label in reader.samples]
        self.targets = [label for _, label in self.samples]
        self.class_to_idx: dict[str, int] = dict(reader.class_to_idx)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        path, label = self.samples[index]
        return open_image(path), label


# What opening and decoding broken files raises.
BROKEN_IMAGE_ERRORS = (
    OSError,
    SyntaxError,
    EOFError,
    ValueError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def check_image_folder(folder: Path) -> None:
    """Check that a folder of images has each of them once, and only ordinary files.

    Args:
        folder: The folder; links in it may lead to images elsewhere.

    Raises:
        UserError: If a link leads to what is in the folder already, such as a folder above it,
            which would repeat images under other classes; or if an image is no ordinary file.
    """
    _check_below(folder, {os.path.realpath(folder)}, os.path.realpath(folder))


def _check_below(folder: Path, visited: set[str], root: str) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                _check_link(entry, visited, root)
            if entry.is_dir():
                visited.add(os.path.realpath(entry.path))
                _check_below(Path(entry.path), visited, root)
            elif entry.name.lower().endswith(IMG_EXTENSIONS) and not entry.is_file():
                raise UserError(f"{entry.path} is no ordinary file, and cannot be read as an image")


def _check_link(entry: "os.DirEntry[str]", visited: set[str], root: str) -> None:
    target = os.path.realpath(entry.path)
    inside = os.path.commonpath([target, root]) in (target, root)
    if inside or target in visited:
        raise UserError(
            f"{entry.path} is a link to images that are there already: {target}; remove it"
        )
