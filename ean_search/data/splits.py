"""Give images as batches: in order and unchanged, or shuffled and augmented by a seed.

This module knows nothing of files or names of data sets. A training batch depends on the seed
alone, not on what ran before.
"""

import copy
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

log = logging.getLogger(__name__)
EVALUATION_BATCH_SIZE = 256  # images that are moved to a device at once
Batches = Iterator[tuple[Tensor, Tensor]]
Seed = tuple[int, ...]
MeanStd = tuple[Sequence[float], Sequence[float]]  # of each channel, for values from 0 to 1


@cache  # once in a process for all splits of a data set
def _warn_of_normalisation(kind: str, mean_std: str) -> None:
    log.warning(
        "images of a %s stay normalised as they are; data.mean_std is %s, as pretrained weights "
        "may expect it",
        *(kind, mean_std),
    )


class Split(ABC):
    """Base class of the parts of a data set: train, search and test.

    Example:
        >>> class Noise(Split):
        ...     def __len__(self):
        ...         return 64
        ...
        ...     def batches(self, batch_size, *, shuffle=None, device="cpu"):
        ...         for _ in range(64 // batch_size):
        ...             labels = torch.zeros(batch_size, dtype=torch.long, device=device)
        ...             yield torch.randn(batch_size, 3, 32, 32, device=device), labels
    """

    @abstractmethod
    def __len__(self) -> int:
        """Count the images."""

    @abstractmethod
    def batches(
        self, batch_size: int, *, shuffle: Seed | None = None, device: str = "cpu"
    ) -> Batches:
        """Yield batches of images and labels.

        Args:
            batch_size: The number of images in a batch.
            shuffle: None for evaluation: every image, in order. A seed for training: shuffled and
                augmented, without the last incomplete batch.
            device: Where the batches lie.

        Yields:
            Normalised images (batch, channels, size, size), and labels (batch).
        """

    def steps(self, batch_size: int) -> int:
        """Count the training batches of an epoch: full ones only, but at least one."""
        return max(1, len(self) // batch_size)

    def all_labels(self) -> Tensor:
        """Return the labels of all images, in their order; splits that know them do not decode."""
        return torch.cat([labels.cpu() for _, labels in self.batches(EVALUATION_BATCH_SIZE)])

    def subset(self, positions: np.ndarray) -> "Split":
        """Return some of the images, for evaluation.

        Splits that can give any image at any time give them in the order of the positions; others
        in their own.

        Args:
            positions: Which images, as numbers in the order of this split.
        """
        return PartialSplit(self, np.sort(positions))

    def normalised(self, mean_std: MeanStd) -> "Split":
        """Return the split with images that are normalised in another way.

        Splits of tensors and of image files do so; others stay as they are, and that is said.

        Args:
            mean_std: The mean and the standard deviation of each channel, for values from 0 to 1.
        """
        _warn_of_normalisation(type(self).__name__, str(mean_std))
        return self

    def share(self, rank: int, world_size: int) -> "Split":
        """Return the split for one of several processes that train on the same batches.

        Together the processes see the images that one process would see alone. A split that reads
        files overrides this, so that a process decodes only its own images.

        Args:
            rank: The number of the process, from 0.
            world_size: The number of processes.
        """
        return BatchShare(self, rank, world_size)


class TensorSplit(Split):
    """Images of a tensor."""

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        indices: np.ndarray | None = None,
        *,
        mean_std: MeanStd | None = None,
        augment: Callable[[Tensor, Generator], Tensor] | None = None,
        size: int | None = None,
    ):
        """Choose images of a tensor.

        Args:
            images: (images, channels, height, width), as bytes, or as floats that are normalised.
            labels: (images, ...), one for each image; boxes and masks will do, too.
            indices: The images that belong to the split, in order; None: all.
            mean_std: Normalises images that are bytes; None: they are given as they are.
            augment: Changes a batch of training images, by a generator.
            size: Height and width to which batches are scaled; None: those of the images.
        """
        self.images, self.labels = images, labels
        self.indices = np.arange(len(labels)) if indices is None else indices
        self.mean_std, self.augment, self.size = mean_std, augment, size

    def __len__(self) -> int:
        return len(self.indices)

    def batches(
        self, batch_size: int, *, shuffle: Seed | None = None, device: str = "cpu"
    ) -> Batches:
        """Yield batches, in order or as the seed says."""
        indices, rng = self.indices, None
        if shuffle is not None:
            rng = np.random.default_rng(shuffle)
            indices = rng.permutation(indices)[: self.steps(batch_size) * batch_size]
        order = torch.from_numpy(indices).to(self.images.device)  # once: a GPU waits for no batch
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            images = self.images[batch]
            if rng is not None and self.augment is not None:
                images = self.augment(images, rng)
            yield self._finish(_move(images, device)), _move(self.labels[batch], device)

    def all_labels(self) -> Tensor:
        """Return the labels of all images, in their order."""
        return self.labels[torch.from_numpy(self.indices)].cpu()

    def subset(self, positions: np.ndarray) -> "TensorSplit":
        """Return some of the images, in the order of the positions."""
        chosen = copy.copy(self)
        chosen.indices = self.indices[positions]
        return chosen

    def normalised(self, mean_std: MeanStd) -> "TensorSplit":
        """Return the split with images that are normalised in another way."""
        if self.mean_std is None:
            return self  # its images are normalised already, nobody knows how
        changed = copy.copy(self)
        changed.mean_std = mean_std
        return changed

    def holds_bytes(self, size: int) -> bool:
        """Tell whether the images are bytes of this height and width."""
        return self.mean_std is not None and self.images.shape[-1] == size

    def own_images(self) -> "TensorSplit":
        """Return the split without the images of other splits of the same tensor."""
        own = copy.copy(self)
        chosen = torch.from_numpy(self.indices)
        own.images, own.labels = self.images[chosen], self.labels[chosen]
        own.indices = np.arange(len(self))
        return own

    def to(self, device: str) -> "TensorSplit":
        """Return the split with its tensors on a device."""
        return TensorSplit(
            self.images.to(device),
            self.labels.to(device),
            # A copy: arrays that come out of an object store are read-only, and torch warns of it.
            self.indices.copy(),
            mean_std=self.mean_std,
            augment=self.augment,
            size=self.size,
        )

    def _finish(self, images: Tensor) -> Tensor:
        """Normalise and scale a batch."""
        images = images.contiguous()  # the memory order of a data set must not reach the network
        if self.mean_std is not None:
            means, stds = map(tuple, self.mean_std)
            mean, std = _channel_constants((means, stds), images.device)
            images = (images.float() / 255 - mean) / std
        if self.size is not None and images.shape[-1] != self.size:
            size = (self.size, self.size)
            images = F.interpolate(images, size=size, mode="bilinear", antialias=True)
        return images


@lru_cache(maxsize=16)  # a few data sets and devices; so no batch waits for constants
def _channel_constants(mean_std: MeanStd, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of each channel on a device."""
    mean, std = (torch.tensor(values, dtype=torch.float, device=device) for values in mean_std)
    return mean[:, None, None], std[:, None, None]


class WrappedSplit(Split):
    """Base class of splits that change the batches of another split, but not their number."""

    def __init__(self, split: Split):
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def steps(self, batch_size: int) -> int:
        """Count the training batches of an epoch."""
        return self.split.steps(batch_size)


class BatchShare(WrappedSplit):
    """One process's images of every batch: every `world_size`-th one, from `rank` on."""

    def __init__(self, split: Split, rank: int, world_size: int):
        super().__init__(split)
        self.rank, self.world_size = rank, world_size

    def batches(
        self, batch_size: int, *, shuffle: Seed | None = None, device: str = "cpu"
    ) -> Batches:
        """Yield this process's images of each batch; `batch_size` counts those of all processes."""
        own = slice(self.rank, None, self.world_size)
        for images, labels in self.split.batches(batch_size, shuffle=shuffle, device=device):
            yield images[own], labels[own]


class PartialSplit(WrappedSplit):
    """Some images of a split that can only be read in its own order; for evaluation."""

    def __init__(self, split: Split, positions: np.ndarray):
        super().__init__(split)
        self.positions = positions  # in rising order

    def __len__(self) -> int:
        return len(self.positions)

    def batches(
        self, batch_size: int, *, shuffle: Seed | None = None, device: str = "cpu"
    ) -> Batches:
        """Yield what is left of the batches of the whole; some are smaller."""
        start = 0
        for images, labels in self.split.batches(batch_size, shuffle=shuffle, device=device):
            first, last = np.searchsorted(self.positions, [start, start + len(labels)])
            if last > first:
                own = torch.from_numpy(self.positions[first:last] - start).to(labels.device)
                yield images[own], labels[own]
            start += len(labels)


def to_device(split: Split, device: str) -> Split:
    """Return a split of tensors with them on a device, and any other split as it is."""
    return split.to(device) if isinstance(split, TensorSplit) else split


def crop_and_flip(images: Tensor, rng: Generator, pad: int = 4) -> Tensor:
    """Shift every image at random, and mirror every second one (the augmentation for CIFAR).

    Args:
        images: (batch, channels, height, width).
        rng: Draws the shifts and the mirrored images.
        pad: The largest shift in pixels; black comes in at the border.
    """
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
