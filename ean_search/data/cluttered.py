"""Generate the embedded data: coloured handwritten digits on tinted, noisy, cluttered canvases.

Every canvas shows several digits of different classes, each in another colour. The label is the
class of the digit whose colour tints the canvas. The noise hides the tint from any local view, but
cancels in the mean over the canvas. So global average pooling sees the tint, and a channel
attention can use it.

The digits are scikit-learn's scans; those on test canvases appear on no training canvas. The data
is a demonstration, not a benchmark.
"""

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.random import Generator
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ean_search.utils.config import FrozenConfig
from ean_search.utils.files import cache_dir

log = logging.getLogger(__name__)

DRAWING_VERSION = 1  # raise it with every change to the drawing, so that old cache files are unused
NUM_CLASSES = 10
NUM_COLOURS = 3
COLOURS = np.where(np.eye(NUM_COLOURS), 0.95, 0.15)  # red, green, blue
# Centres of digits, on a canvas from -1 to 1: side by side, or in the corners.
SIDE_CENTRES = np.array([(-0.48, 0), (0.48, 0)])
CORNER_CENTRES = np.array([(-0.48, -0.48), (-0.48, 0.48), (0.48, -0.48), (0.48, 0.48)])
CANVASES_PER_CHUNK = 1000
Arrays = dict[str, np.ndarray]  # train_images, train_labels, test_images, test_labels


MAX_CANVASES = 10**6


class ClutteredOptions(FrozenConfig):
    """How many canvases there are, and how hard they are to classify."""

    train: int = Field(default=12_000, ge=10, le=MAX_CANVASES)
    test: int = Field(default=2_000, ge=10, le=MAX_CANVASES)
    digits: int = Field(default=2, ge=1, le=NUM_COLOURS)  # on each canvas
    digit_size: float = Field(default=0.55, gt=0, le=1)  # as a share of the canvas
    tint: float = Field(default=0.06, ge=0, le=10)  # of the mean; black is 0, white is 1
    noise: float = Field(
        default=0.08, ge=0, le=10
    )  # standard deviation of each of 8 x 8 noise cells
    clutter: int = Field(default=1, ge=0, le=100)  # grey, half-sized digits on each canvas


@dataclass(frozen=True)
class DigitScans:
    """Scanned digits with their classes."""

    images: np.ndarray  # (scans, 8, 8), from 0 to 1
    classes: np.ndarray  # (scans)

    def choose(self, mask: np.ndarray) -> "DigitScans":
        """Return the scans for which a mask is true."""
        return DigitScans(self.images[mask], self.classes[mask])

    def draw(self, classes: np.ndarray, rng: Generator) -> Tensor:
        """Draw a scan of each class: (len(classes), 8, 8)."""
        order = np.argsort(self.classes, kind="stable")
        counts = np.bincount(self.classes, minlength=NUM_CLASSES)
        first = np.cumsum(counts) - counts
        offsets = (rng.random(len(classes)) * counts[classes]).astype(int)
        return _tensor(self.images[order[first[classes] + offsets]])


@dataclass(frozen=True)
class DrawnDigits:
    """One digit on each canvas of a chunk."""

    classes: np.ndarray  # (canvases)
    alpha: Tensor  # (canvases, 1, size, size): the share of each pixel that the digit covers


def load_canvases(options: ClutteredOptions, size: int, seed: int) -> Arrays:
    """Load the canvases from the cache, or generate them and write them to the cache.

    Args:
        options: How many canvases there are, and how hard they are to classify.
        size: Their height and width in pixels.
        seed: Determines the canvases, together with the other arguments.

    Returns:
        The arrays of `generate`.
    """
    key = f"{DRAWING_VERSION} {options.model_dump_json()} {size} {seed}"
    try:
        path = cache_dir("cluttered") / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.npz"
    except OSError as error:
        log.warning("the canvases are not kept: %s", error)
        return generate(options, size, seed)
    try:
        with path.open("rb") as file:
            return dict(np.load(file, allow_pickle=False))
    except (OSError, EOFError, ValueError, BadZipFile):  # no file, or an incomplete one
        arrays = generate(options, size, seed)
    _write_to_cache(arrays, path)
    return arrays


def _write_to_cache(arrays: dict[str, Any], path: Path) -> None:
    # Two processes may write the same canvases at once: each writes a file of its own first.
    part = path.with_name(f"{path.stem}.{os.getpid()}.npz")
    try:
        np.savez(part, **arrays)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        log.warning("the canvases are not kept: %s", error)


def generate(options: ClutteredOptions, size: int, seed: int) -> Arrays:
    """Draw the training and the test canvases; the arguments alone determine them.

    Returns:
        `train_images` and `test_images`: (canvases, 3, size, size) as bytes; `train_labels` and
        `test_labels`: (canvases).
    """
    scans = load_scans()
    held_out = hold_out_scans(scans.classes, seed)
    arrays: Arrays = {}
    for part, count, mask in (
        ("train", options.train, ~held_out),
        ("test", options.test, held_out),
    ):
        rng = np.random.default_rng((seed, part == "test"))
        images, labels = _draw_part(options, count, size, scans.choose(mask), rng)
        arrays |= {f"{part}_images": images, f"{part}_labels": labels}
    return arrays


def load_scans() -> DigitScans:
    """Load scikit-learn's digit scans."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return DigitScans((digits.images / 16).astype(np.float32), digits.target.astype(np.int64))


def hold_out_scans(classes: np.ndarray, seed: int) -> np.ndarray:
    """Return a mask of a fifth of the scans of every class, for the test canvases."""
    order = np.random.default_rng((seed, 2)).permutation(len(classes))
    held_out = np.zeros(len(classes), dtype=bool)
    for label in range(NUM_CLASSES):
        members = order[classes[order] == label]
        held_out[members[: len(members) // 5]] = True
    return held_out


def draw_labels(count: int, rng: Generator) -> np.ndarray:
    """Draw the labels of canvases; all classes are equally frequent."""
    return rng.permutation(np.arange(count) % NUM_CLASSES)


def _draw_part(
    options: ClutteredOptions, count: int, size: int, scans: DigitScans, rng: Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw canvases as bytes, and their labels."""
    labels = draw_labels(count, rng)
    images = torch.empty(count, NUM_COLOURS, size, size, dtype=torch.uint8)
    for start in range(0, count, CANVASES_PER_CHUNK):
        chunk = slice(start, start + CANVASES_PER_CHUNK)
        images[chunk], _ = draw_chunk(options, labels[chunk], size, scans, rng)
    return images.numpy(), labels


def draw_chunk(
    options: ClutteredOptions, labels: np.ndarray, size: int, scans: DigitScans, rng: Generator
) -> tuple[Tensor, list[DrawnDigits]]:
    """Draw one canvas for each label: background first, then clutter, then digits.

    Args:
        options: The difficulty.
        labels: The class of the digit whose colour tints the canvas.
        size: Height and width in pixels.
        scans: The digits to draw.
        rng: Draws everything else.

    Returns:
        The canvases (canvases, 3, size, size) as bytes, and the digits in the order of drawing;
        the first ones are those of the labels.
    """
    count = len(labels)
    centres = CORNER_CENTRES if options.digits > len(SIDE_CENTRES) else SIDE_CENTRES
    colours = _shuffled_rows(np.arange(NUM_COLOURS), count, rng)
    others = _shuffled_rows(np.arange(1, NUM_CLASSES), count, rng)  # distances to the label
    places = _shuffled_rows(np.arange(len(centres)), count, rng)
    images = _draw_background(options, colours[:, 0], size, rng)
    for _ in range(options.clutter):
        images = _draw_clutter(options, images, scans, rng)
    digits = []
    for k in range(options.digits):
        classes = labels if k == 0 else (labels + others[:, k]) % NUM_CLASSES
        centre = centres[places[:, k]] + rng.uniform(-0.1, 0.1, (count, 2))
        alpha = _draw_alpha(scans.draw(classes, rng), size, centre, options.digit_size, rng)
        images = torch.lerp(images, _tensor(COLOURS[colours[:, k]])[:, :, None, None], alpha)
        digits.append(DrawnDigits(classes, alpha))
    return (images.clamp(0, 1) * 255).round().byte(), digits


def _shuffled_rows(values: np.ndarray, count: int, rng: Generator) -> np.ndarray:
    """Return the values in `count` random orders, one per row."""
    return rng.permuted(np.tile(values, (count, 1)), axis=1)


def _draw_background(
    options: ClutteredOptions, colour: np.ndarray, size: int, rng: Generator
) -> Tensor:
    """Draw noisy grey backgrounds; only the mean over a canvas shows its colour."""
    count = len(colour)
    coarse = _tensor(rng.normal(0, options.noise, (count, NUM_COLOURS, 8, 8)))
    coarse = coarse - coarse.mean((2, 3), keepdim=True)
    noise = F.interpolate(coarse, size=(size, size), mode="nearest")
    tint = options.tint * (np.eye(NUM_COLOURS) * 1.5 - 0.5)[colour]
    return 0.5 + _tensor(tint)[:, :, None, None] + noise


def _draw_clutter(
    options: ClutteredOptions, images: Tensor, scans: DigitScans, rng: Generator
) -> Tensor:
    """Draw a small grey digit of any class on each canvas."""
    count, size = len(images), images.shape[-1]
    digits = _tensor(scans.images[rng.integers(len(scans.images), size=count)])
    centre = rng.uniform(-0.9, 0.9, (count, 2))
    alpha = _draw_alpha(digits, size, centre, options.digit_size / 2, rng)
    return torch.lerp(images, _tensor(rng.uniform(0, 1, (count, 1, 1, 1))), alpha)


def _draw_alpha(
    digits: Tensor, size: int, centre: np.ndarray, scale: float, rng: Generator
) -> Tensor:
    """Draw a slightly rotated and stretched scan on each canvas: (canvases, 1, size, size)."""
    count = len(digits)
    angle = rng.uniform(-0.25, 0.25, count)
    stretch = scale * rng.uniform(0.85, 1.15, (count, 2))
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.stack([np.stack([cos, sin], 1), np.stack([-sin, cos], 1)], 1) / stretch[:, :, None]
    theta = np.concatenate([linear, -linear @ centre[:, :, None]], axis=2)
    grid = F.affine_grid(_tensor(theta), [count, 1, size, size], align_corners=False)
    return F.grid_sample(digits[:, None], grid, align_corners=False)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
