"""Compares a written network with the original: logits, by their scale, and the top-1 classes.

Float arithmetic in another order gives errors that grow with the logits, so they are compared with
the largest logit. Real images are the measure if the data can be loaded, and noise if not.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ean_search.data.datasets import load_data
from ean_search.data.splits import Split
from ean_search.retrain.checkpoint import TrainingDescription

BATCH_SIZES = (2, 1, 5)  # of the first batches; the rest is one batch
NUM_IMAGES = 32
TOLERANCE = 1e-4  # as a share of the largest logit, or of 1 if no logit is that large
Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Examples:
    """Images to compare networks on.

    Attributes:
        images: The images, normalised.
        name: What they are: "search images" or "noise images".
    """

    images: Tensor
    name: str


@dataclass(frozen=True)
class Agreement:
    """How well two networks agree on the same images.

    Attributes:
        difference: The largest difference of their logits.
        scale: The largest logit, without its sign.
        agreeing: The number of images to which both give the same class.
        count: The number of images.
        name: What the images are.
    """

    difference: float
    scale: float
    agreeing: int
    count: int
    name: str

    @property
    def is_close(self) -> bool:
        """Whether the networks are the same, up to the precision of floats."""
        return self.difference <= tolerance(self.scale) and self.agreeing == self.count

    def __str__(self) -> str:
        share = self.difference / self.scale if self.scale else 0.0
        return (
            f"logits differ by at most {self.difference:.1e} ({share:.1e} of the largest, "
            f"{self.scale:.3g}); top-1 agrees on {self.agreeing} of {self.count} {self.name}"
        )


def tolerance(scale: float) -> float:
    """Return how far logits may differ if the largest is `scale`."""
    return TOLERANCE * max(1.0, scale)


def input_size(trained: TrainingDescription) -> list[int]:
    """Return channels, height and width of an image."""
    image_size = trained.space.image_size
    size: list[int] = trained.preprocessing.get("input_size", [3, image_size, image_size])
    return size


def make_noise(trained: TrainingDescription) -> Examples:
    """Make noise images of the size that a network was trained at."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(NUM_IMAGES, *input_size(trained), generator=generator)
    return Examples(images, "noise images")


def load_examples(trained: TrainingDescription) -> Examples:
    """Load some search images of the data of a training, or make noise if they cannot be loaded.

    The test split is left alone, and nothing is downloaded.
    """
    source = trained.data.model_copy(update={"workers": 0, "download": False})
    try:
        images = _some_images(load_data(source).search)
    except Exception:  # data that moved away, and whatever the readers of files raise
        return make_noise(trained)
    if list(images.shape[1:]) != input_size(trained):
        return make_noise(trained)
    return Examples(images, "search images")


def compare_logits(network: nn.Module, forward: Forward, examples: Examples) -> Agreement:
    """Compare the logits of two networks, over several batch sizes.

    Args:
        network: The original.
        forward: Computes the logits of the other one.
        examples: The images.
    """
    with torch.no_grad():
        batches = list(_batches(examples.images))
        expected = torch.cat([network(images) for images in batches])
        written = torch.cat([forward(images) for images in batches])
    scale = float(expected.abs().max())
    # The class of the other network counts as the same if it is as good up to the tolerance: a tie.
    chosen = expected.gather(1, written.argmax(1, keepdim=True)).squeeze(1)
    same = chosen >= expected.amax(1) - tolerance(scale)
    difference = float((written - expected).abs().max())
    return Agreement(difference, scale, int(same.sum()), len(same), examples.name)


def _batches(images: Tensor) -> Iterator[Tensor]:
    """Yield all images in batches of several sizes."""
    start = 0
    for size in (*BATCH_SIZES, len(images)):
        if start < len(images):
            yield images[start : start + size]
        start += size


def _some_images(split: Split) -> Tensor:
    """Return images from all over a split, or its first ones if it can only be read in order."""
    few: Any = copy.copy(split)
    if isinstance(indices := getattr(few, "indices", None), np.ndarray):
        spread = np.linspace(0, len(indices) - 1, min(NUM_IMAGES, len(indices)))
        few.indices = indices[spread.astype(int)]  # so that no other image is decoded
    images, _ = next(iter(few.batches(NUM_IMAGES)))
    found: Tensor = images
    return found
