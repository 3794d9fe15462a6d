"""Give images as batches: in order and unchanged, or shuffled and augmented as a seed says.

Knows nothing of files or data sets' names. What a batch of the training order holds depends on
the seed alone, not on what ran before.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from ean_search.utils.device import free_bytes

HELD_SHARE = 0.25  # of the free memory
Batches = Iterator[tuple[Tensor, Tensor]]
Seed = tuple[int, ...]


class Split(Protocol):
    """A part of a data set."""

    def __len__(self) -> int:
        """Count the images."""

    def steps(self, batch_size: int) -> int:
        """Count the training batches of an epoch: full ones only, but at least one."""

    def batches(
        self, batch_size: int, *, shuffle: Seed | None = None, device: str = "cpu"
    ) -> Batches:
        """Yield normalised images (batch, 3, size, size) and labels.

        Without a seed: every image in order, as for evaluation. With one: the order and the
        augmentation of training, the last incomplete batch dropped.
        """


class TensorSplit:
    """Chosen images of a tensor, as bytes that are normalised on their way out or as floats."""

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        chosen: np.ndarray | None = None,
        *,
        normal: tuple[Sequence[float], Sequence[float]] | None = None,
        augment: Callable[[Tensor, Generator], Tensor] | None = None,
        size: int | None = None,
    ):
        self.images, self.labels = images, labels
        self.chosen = np.arange(len(labels)) if chosen is None else chosen
        self.normal, self.augment, self.size = normal, augment, size

    def __len__(self) -> int:
        return len(self.chosen)

    def steps(self, batch_size: int) -> int:
        """Count the training batches of an epoch."""
        return max(1, len(self) // batch_size)

    def batches(
        self, batch_size: int, *, shuffle: Seed | None = None, device: str = "cpu"
    ) -> Batches:
        """Yield batches, in order or as the seed says."""
        chosen, rng = self.chosen, None
        if shuffle is not None:
            rng = np.random.default_rng(shuffle)
            chosen = rng.permutation(chosen)[: self.steps(batch_size) * batch_size]
        for start in range(0, len(chosen), batch_size):
            batch = torch.from_numpy(chosen[start : start + batch_size])
            images = self.images[batch]
            if rng is not None and self.augment is not None:
                images = self.augment(images, rng)
            yield self._finish(_move(images, device)), _move(self.labels[batch], device)

    def _finish(self, images: Tensor) -> Tensor:
        images = images.contiguous()  # a data set's own order of axes must not reach the network
        if self.normal is not None:
            mean, std = (
                images.new_tensor(c, dtype=torch.float)[:, None, None] for c in self.normal
            )
            images = (images.float() / 255 - mean) / std
        if self.size is not None and images.shape[-1] != self.size:
            images = F.interpolate(images, size=(self.size,) * 2, mode="bilinear", antialias=True)
        return images


class WrappedSplit:
    """As many images in as many steps as another split; what a batch holds is for subclasses."""

    def __init__(self, split: Split):
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def steps(self, batch_size: int) -> int:
        """Count the training batches of an epoch."""
        return self.split.steps(batch_size)


class Part(WrappedSplit):
    """One process's share of every training batch; together they see what one would see alone."""

    def __init__(self, split: Split, rank: int, count: int):
        super().__init__(split)
        self.rank, self.count = rank, count

    def batches(
        self, batch_size: int, *, shuffle: Seed | None = None, device: str = "cpu"
    ) -> Batches:
        """Yield this process's part of each batch of so many images."""
        share = getattr(self.split, "share", None)  # one that reads files reads only its part
        if share is not None:
            yield from share(self.rank, self.count).batches(
                batch_size, shuffle=shuffle, device=device
            )
            return
        for images, labels in self.split.batches(batch_size, shuffle=shuffle, device=device):
            mine = slice(self.rank, None, self.count)
            yield images[mine], labels[mine]


def cache_on_device(split: Split, image_size: int, device: str) -> Split:
    """Return a split decoded, normalised and kept on the device, if there is room for it.

    Its images come in an order of their own, the same every time, that knows nothing of classes.
    """
    needed = 4 * 3 * image_size**2 * len(split)
    if needed > HELD_SHARE * free_bytes(device):
        return split
    batches = list(split.batches(256, device=device))
    order = np.random.default_rng(len(split)).permutation(len(split))
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return TensorSplit(images, labels, order)


def to_device(split: Split, device: str) -> Split:
    """Return a split that lies in memory on a device; one of files is read wherever it is used."""
    if not isinstance(split, TensorSplit):
        return split
    images, labels = split.images.to(device), split.labels.to(device)
    options = {"normal": split.normal, "augment": split.augment, "size": split.size}
    # A copy: what comes out of an object store must not be written to, which torch minds.
    return TensorSplit(images, labels, split.chosen.copy(), **options)


def crop_and_flip(images: Tensor, rng: Generator, pad: int = 4) -> Tensor:
    """Shift every image by up to `pad` pixels, black coming in, and mirror every second one."""
    count, _, height, width = images.shape
    rows = rng.integers(2 * pad + 1, size=(count, 1)) + np.arange(height)
    columns = rng.integers(2 * pad + 1, size=(count, 1)) + np.arange(width)
    mirrored = rng.random(count) < 0.5
    columns[mirrored] = columns[mirrored, ::-1]
    padded = F.pad(images, (pad,) * 4).permute(0, 2, 3, 1)
    return padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None]].movedim(3, 1)


def _move(tensor: Tensor, device: str) -> Tensor:
    pinned = tensor.pin_memory() if device.startswith("cuda") and not tensor.is_cuda else tensor
    return pinned.to(device, non_blocking=True)
