"""Generate the embedded data: coloured handwritten digits on tinted, noisy, cluttered canvases.

Every canvas carries several digits of different classes, each in a colour of its own; the label is
the class of the one whose colour tints the canvas. The noise hides the tint from any local view
and cancels in the mean: a global average reads it, so a channel attention has something to win.
The digits are scikit-learn's scans; those of the test canvases appear on no other canvas.
A demonstration, not a benchmark.
"""

import hashlib
import logging
import os
from pathlib import Path
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

VERSION = 1  # of the drawing: a change to it must not find the old canvases in the cache
CLASSES = 10
COLOURS = 3
PAINTS = np.where(np.eye(COLOURS), 0.95, 0.15)  # red, green, blue
# Where digits go on a canvas from -1 to 1: side by side, or in three of the corners.
SIDES = np.array([(-0.48, 0), (0.48, 0)])
CORNERS = np.array([(-0.48, -0.48), (-0.48, 0.48), (0.48, -0.48), (0.48, 0.48)])
CHUNK = 1000


class Canvas(FrozenConfig):
    """How many canvases there are, and how hard they are to read."""

    train: int = Field(default=12_000, ge=10)
    test: int = Field(default=2_000, ge=10)
    digits: int = Field(default=2, ge=1, le=COLOURS)
    digit_size: float = Field(default=0.55, gt=0, le=1)  # of the canvas
    tint: float = Field(default=0.06, ge=0)  # of the mean, black being 0 and white 1
    noise: float = Field(default=0.08, ge=0)  # deviation of a cell, an eighth of the canvas wide
    clutter: int = Field(default=1, ge=0)  # grey scraps of digits


def load_canvases(canvas: Canvas, size: int, seed: int) -> dict[str, np.ndarray]:
    """Take the canvases from the cache, or draw them and leave them there."""
    key = f"{VERSION} {canvas.model_dump_json()} {size} {seed}"
    try:
        path = cache_dir("cluttered") / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.npz"
    except OSError as error:
        log.warning("the canvases are not kept: %s", error)
        return generate(canvas, size, seed)
    try:
        with path.open("rb") as file:
            return dict(np.load(file, allow_pickle=False))
    except (OSError, EOFError, ValueError, BadZipFile):  # none there, or what a torn copy left
        drawn = generate(canvas, size, seed)
    _keep(drawn, path)
    return drawn


def _keep(drawn: dict[str, np.ndarray], path: Path) -> None:
    # A name of its own: two processes may draw the same canvases at once.
    part = path.with_name(f"{path.stem}.{os.getpid()}.npz")
    try:
        np.savez(part, **drawn)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        log.warning("the canvases are not kept: %s", error)


def generate(canvas: Canvas, size: int, seed: int) -> dict[str, np.ndarray]:
    """Draw the training and the test canvases, a pure function of its arguments."""
    scans, classes = load_scans()
    held_out = hold_out_scans(classes, seed)
    drawn = {}
    for part, count, chosen in (
        ("train", canvas.train, ~held_out),
        ("test", canvas.test, held_out),
    ):
        rng = np.random.default_rng((seed, part == "test"))
        images, labels = _draw(canvas, count, size, _tensor(scans[chosen]), classes[chosen], rng)
        drawn |= {f"{part}_images": images, f"{part}_labels": labels}
    return drawn


def load_scans() -> tuple[np.ndarray, np.ndarray]:
    """Load scikit-learn's digit scans, scaled to 0..1, and their classes."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images / 16).astype(np.float32), digits.target.astype(np.int64)


def hold_out_scans(classes: np.ndarray, seed: int) -> np.ndarray:
    """Mark a fifth of every class's scans for the test canvases."""
    order = np.random.default_rng((seed, 2)).permutation(len(classes))
    held_out = np.zeros(len(classes), dtype=bool)
    for label in range(CLASSES):
        members = order[classes[order] == label]
        held_out[members[: len(members) // 5]] = True
    return held_out


def _draw(
    canvas: Canvas, count: int, size: int, scans: Tensor, classes: np.ndarray, rng: Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw canvases as bytes, and their labels."""
    labels = rng.permutation(np.arange(count) % CLASSES)
    images = torch.empty(count, COLOURS, size, size, dtype=torch.uint8)
    for start in range(0, count, CHUNK):
        chunk = slice(start, start + CHUNK)
        drawn, _ = draw_chunk(canvas, labels[chunk], size, scans, classes, rng)
        images[chunk] = (drawn.clamp(0, 1) * 255).round().byte()
    return images.numpy(), labels


Digit = tuple[np.ndarray, Tensor]  # its classes, and how much it covers (batch, 1, size, size)


def draw_chunk(
    canvas: Canvas,
    labels: np.ndarray,
    size: int,
    scans: Tensor,
    classes: np.ndarray,
    rng: Generator,
) -> tuple[Tensor, list[Digit]]:
    """Paint paper, clutter and digits over each other, (batch, 3, size, size), and say where."""
    count = len(labels)
    colours = rng.permuted(np.tile(np.arange(COLOURS), (count, 1)), axis=1)
    others = rng.permuted(np.tile(np.arange(1, CLASSES), (count, 1)), axis=1)
    spots = CORNERS if canvas.digits > len(SIDES) else SIDES
    places = rng.permuted(np.tile(np.arange(len(spots)), (count, 1)), axis=1)
    images = _paper(canvas, colours[:, 0], size, rng)
    for _ in range(canvas.clutter):
        scrap = scans[rng.integers(len(scans), size=count)]
        alpha = _place(scrap, size, rng.uniform(-0.9, 0.9, (count, 2)), canvas.digit_size / 2, rng)
        images = torch.lerp(images, _tensor(rng.uniform(0, 1, (count, 1, 1, 1))), alpha)
    digits = []
    for k in range(canvas.digits):
        shown = labels if k == 0 else (labels + others[:, k]) % CLASSES
        centre = spots[places[:, k]] + rng.uniform(-0.1, 0.1, (count, 2))
        alpha = _place(scans[_pick(shown, classes, rng)], size, centre, canvas.digit_size, rng)
        images = torch.lerp(images, _tensor(PAINTS[colours[:, k]])[:, :, None, None], alpha)
        digits.append((shown, alpha))
    return images, digits


def _paper(canvas: Canvas, colour: np.ndarray, size: int, rng: Generator) -> Tensor:
    """Make noisy grey paper whose mean alone leans to a colour."""
    count = len(colour)
    coarse = _tensor(rng.normal(0, canvas.noise, (count, COLOURS, 8, 8)))
    coarse = coarse - coarse.mean((2, 3), keepdim=True)
    noise = F.interpolate(coarse, size=(size, size), mode="nearest")
    lean = canvas.tint * (np.eye(COLOURS) * 1.5 - 0.5)[colour]
    return 0.5 + _tensor(lean)[:, :, None, None] + noise


def _place(scans: Tensor, size: int, centre: np.ndarray, scale: float, rng: Generator) -> Tensor:
    """Put a slightly turned and stretched scan on each empty canvas, (batch, 1, size, size)."""
    count = len(scans)
    turn = rng.uniform(-0.25, 0.25, count)
    grow = scale * rng.uniform(0.85, 1.15, (count, 2))
    cos, sin = np.cos(turn), np.sin(turn)
    linear = np.stack([np.stack([cos, sin], 1), np.stack([-sin, cos], 1)], 1) / grow[:, :, None]
    theta = np.concatenate([linear, -linear @ centre[:, :, None]], axis=2)
    grid = F.affine_grid(_tensor(theta), [count, 1, size, size], align_corners=False)
    return F.grid_sample(scans[:, None], grid, align_corners=False)


def _pick(shown: np.ndarray, classes: np.ndarray, rng: Generator) -> np.ndarray:
    """Choose a scan of each class that is to be shown."""
    order = np.argsort(classes, kind="stable")
    counts = np.bincount(classes, minlength=CLASSES)
    first = np.cumsum(counts) - counts
    return order[first[shown] + (rng.random(len(shown)) * counts[shown]).astype(int)]


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
