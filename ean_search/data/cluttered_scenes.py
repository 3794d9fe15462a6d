"""The embedded canvases with boxes and masks of their digits, for detection and segmentation."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ean_search.data.cluttered import (
    CANVASES_PER_CHUNK,
    ClutteredOptions,
    DigitScans,
    DrawnDigits,
    draw_chunk,
    draw_labels,
    hold_out_scans,
    load_scans,
)
from ean_search.data.datasets import CANVAS_MEAN_STD
from ean_search.data.splits import TensorSplit

Labels = Literal["boxes", "masks"]
MIN_COVERED_SHARE = 0.5  # of a pixel, for the pixel to belong to the digit
BACKGROUND = 0  # in masks; the classes of digits count from 1


@dataclass(frozen=True)
class Scenes:
    """Canvases with the places of their digits."""

    images: Tensor  # (canvases, 3, size, size), bytes
    boxes: Tensor  # (canvases, digits, 5): left, top, right, bottom, class
    masks: Tensor  # (canvases, size, size): the class of each pixel

    def split(self, labels: Labels) -> TensorSplit:
        """Return a split of the canvases with boxes or masks as labels."""
        values = self.boxes if labels == "boxes" else self.masks
        return TensorSplit(self.images, values, mean_std=CANVAS_MEAN_STD)


def load_scene_splits(
    labels: Labels, options: ClutteredOptions, size: int, seed: int
) -> tuple[TensorSplit, TensorSplit]:
    """Draw canvases as `load_scenes` does, as a training and a test split with these labels."""
    train, test = load_scenes(options, size, seed)
    return train.split(labels), test.split(labels)


def load_scenes(options: ClutteredOptions, size: int, seed: int) -> tuple[Scenes, Scenes]:
    """Draw the training and the test canvases; they are the same ones as for classification.

    Args:
        options: How many canvases there are, and how hard they are to recognise.
        size: Their height and width in pixels.
        seed: Determines the canvases, together with the other arguments.
    """
    scans = load_scans()
    held_out = hold_out_scans(scans.classes, seed)
    train_rng, test_rng = (np.random.default_rng((seed, test)) for test in (False, True))
    return (
        _draw_scenes(options, options.train, size, scans.choose(~held_out), train_rng),
        _draw_scenes(options, options.test, size, scans.choose(held_out), test_rng),
    )


def _draw_scenes(
    options: ClutteredOptions, count: int, size: int, scans: DigitScans, rng: np.random.Generator
) -> Scenes:
    labels = draw_labels(count, rng)
    starts = range(0, count, CANVASES_PER_CHUNK)
    chunks = [labels[start : start + CANVASES_PER_CHUNK] for start in starts]
    drawn = [draw_chunk(options, chunk, size, scans, rng) for chunk in chunks]
    return Scenes(
        images=torch.cat([images for images, _ in drawn]),
        boxes=torch.cat([_boxes(digits) for _, digits in drawn]),
        masks=torch.cat([_masks(digits) for _, digits in drawn]),
    )


def _boxes(digits: list[DrawnDigits]) -> Tensor:
    """Return the boxes of digits, parts under later digits included: (canvases, digits, 5)."""
    boxes = []
    for digit in digits:
        covered = digit.alpha[:, 0] > MIN_COVERED_SHARE
        left, right = _extent(covered.any(1))
        top, bottom = _extent(covered.any(2))
        classes = torch.from_numpy(digit.classes) + 1
        boxes.append(torch.stack([left, top, right, bottom, classes], dim=1))
    return torch.stack(boxes, dim=1).float()


def _extent(covered: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first covered position of each row, and the one after the last."""
    bits = covered.byte()
    return bits.argmax(1), bits.shape[1] - bits.flip(1).argmax(1)


def _masks(digits: list[DrawnDigits]) -> Tensor:
    """Return the class of each pixel, where later digits cover earlier ones."""
    masks = torch.full(digits[0].alpha[:, 0].shape, BACKGROUND)
    for digit in digits:
        classes = torch.from_numpy(digit.classes)[:, None, None] + 1
        masks = torch.where(digit.alpha[:, 0] > MIN_COVERED_SHARE, classes, masks)
    return masks
