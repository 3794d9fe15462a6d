"""Boxes and masks of the embedded canvases: where each digit is, known from having painted it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ean_search.data.cluttered import CHUNK, CLASSES, Canvas, draw_chunk, hold_out_scans, load_scans
from ean_search.data.datasets import CANVAS_NORMAL
from ean_search.data.splits import TensorSplit

COVERED = 0.5  # of a pixel, that makes it the digit's
BACKGROUND = 0  # classes of masks and boxes count from 1


@dataclass(frozen=True)
class Scenes:
    """Canvases with what is on them."""

    images: Tensor  # (count, 3, size, size), bytes
    boxes: Tensor  # (count, digits, 5): left, top, right, bottom, class
    masks: Tensor  # (count, size, size), a class a pixel

    def split(self, labels: Tensor) -> TensorSplit:
        """Give the canvases with boxes, or masks, for labels."""
        return TensorSplit(self.images, labels, normal=CANVAS_NORMAL)


def load_scenes(canvas: Canvas, size: int, seed: int) -> tuple[Scenes, Scenes]:
    """Draw the training and the test canvases, the same ones as for classification."""
    scans, classes = load_scans()
    held_out = hold_out_scans(classes, seed)
    parts = []
    for test, count in enumerate((canvas.train, canvas.test)):
        kept, rng = held_out == bool(test), np.random.default_rng((seed, bool(test)))
        scenes = _draw(canvas, count, size, torch.from_numpy(scans[kept]), classes[kept], rng)
        parts.append(scenes)
    return tuple(parts)


def _draw(
    canvas: Canvas,
    count: int,
    size: int,
    scans: Tensor,
    classes: np.ndarray,
    rng: np.random.Generator,
) -> Scenes:
    labels = rng.permutation(np.arange(count) % CLASSES)
    chunks = [labels[start : start + CHUNK] for start in range(0, count, CHUNK)]
    drawn = [draw_chunk(canvas, some, size, scans, classes, rng) for some in chunks]
    images = torch.cat([(images.clamp(0, 1) * 255).round().byte() for images, _ in drawn])
    boxes = torch.cat([_boxes(digits) for _, digits in drawn])
    masks = torch.cat([_mask(digits) for _, digits in drawn])
    return Scenes(images, boxes, masks)


def _boxes(digits: list[tuple[np.ndarray, Tensor]]) -> Tensor:
    """Frame each digit, also where a later one covers it."""
    rows = []
    for shown, alpha in digits:
        covered = alpha[:, 0] > COVERED
        sides = [_extent(covered.any(axis)) for axis in (1, 2)]  # columns, then rows
        (left, right), (top, bottom) = sides
        classes = torch.from_numpy(shown) + 1
        rows.append(torch.stack([left, top, right, bottom, classes], dim=1))
    return torch.stack(rows, dim=1).float()


def _extent(covered: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first covered position of each row, and the one after the last."""
    found = covered.byte()
    return found.argmax(1), found.shape[1] - found.flip(1).argmax(1)


def _mask(digits: list[tuple[np.ndarray, Tensor]]) -> Tensor:
    mask = torch.full(digits[0][1][:, 0].shape, BACKGROUND)
    for shown, alpha in digits:
        classes = torch.from_numpy(shown)[:, None, None] + 1
        mask = torch.where(alpha[:, 0] > COVERED, classes, mask)
    return mask
