"""Splits of images that lie in files. Loader processes decode and augment them when needed.

The batches of a map-style data set depend on the seed, not on the number of processes.
"""

import copy
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import torch
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from ean_search.data.image_files import BROKEN_IMAGE_ERRORS, no_bombs, to_rgb
from ean_search.data.splits import Batches, MeanStd, Seed, Split, TensorSplit
from ean_search.utils.device import count_cpus
from ean_search.utils.errors import UserError, first_line
from ean_search.utils.seeding import derive_seed, seeded

Transform = Callable[[Any], Tensor]  # from a PIL image to a normalised tensor
Stream = IterableDataset[tuple[Tensor, int]]
StreamOpener = Callable[[Seed | None], Stream]  # the seed of training; None: for evaluation
Item = tuple[Tensor, int] | UserError  # an error travels as a value, without a traceback
IMAGENET_MEAN_STD: MeanStd = IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD  # of the transforms
MAX_DECODED_BYTES = 2**30  # of decoded images that a split keeps for its next evaluation
DECODING_BATCH_SIZE = 64


class LoaderSplit(Split):
    """Images of a map-style data set of PIL images, decoded by loader processes."""

    def __init__(
        self,
        dataset: Any,
        indices: np.ndarray,
        *,
        train: Transform,
        evaluation: Transform,
        size: int,
        workers: int = 0,
        labels: np.ndarray | None = None,
        max_decoded_bytes: int = MAX_DECODED_BYTES,
    ):
        """Choose images of a data set.

        Args:
            dataset: `dataset[index]` is a PIL image and its label.
            indices: The images that belong to the split, in order.
            train: The transform of training; it may draw from the global generators.
            evaluation: The transform of evaluation.
            size: Height and width of what the transforms return.
            workers: The number of loader processes; 0: decode in this process.
            labels: Those of the images of the split, if they are known without decoding.
            max_decoded_bytes: If the decoded images take less, the first evaluation keeps them.
        """
        self.dataset, self.indices, self.labels = dataset, indices, labels
        self.train, self.evaluation, self.size = train, evaluation, size
        self.workers, self.max_decoded_bytes = workers, max_decoded_bytes
        self.mean_std: MeanStd | None = None  # None: as the transforms do
        self.rank, self.world_size = 0, 1  # of the processes that share the training batches

    def __len__(self) -> int:
        return len(self.indices)

    def batches(
        self, batch_size: int, *, shuffle: Seed | None = None, device: str = "cpu"
    ) -> Batches:
        """Yield batches, in order or as the seed says."""
        if shuffle is None:
            if _decoded_bytes(len(self), self.size) < self.max_decoded_bytes:
                return self._decoded.batches(batch_size, device=device)
            return self._load(self.evaluation, self._in_order(), batch_size, device)
        rng = np.random.default_rng(shuffle)
        indices = rng.permutation(self.indices)[: self.steps(batch_size) * batch_size]
        seeds = rng.integers(2**32, size=len(indices))
        keys = list(zip(indices.tolist(), seeds.tolist(), strict=True))
        own_keys = keys[self.rank :: self.world_size]
        return self._load(self.train, own_keys, batch_size // self.world_size, device)

    def subset(self, positions: np.ndarray) -> "LoaderSplit":
        """Return some of the images, in the order of the positions."""
        chosen = copy.copy(self)
        chosen.indices = self.indices[positions]
        chosen.labels = None if self.labels is None else self.labels[positions]
        vars(chosen).pop("_decoded", None)
        return chosen

    def all_labels(self) -> Tensor:
        """Return the labels of all images, in their order."""
        return super().all_labels() if self.labels is None else torch.from_numpy(self.labels)

    def normalised(self, mean_std: MeanStd) -> "LoaderSplit":
        """Return the split with images that are normalised in another way than ImageNet's."""
        changed = copy.copy(self)
        changed.mean_std = mean_std
        vars(changed).pop("_decoded", None)
        return changed

    def share(self, rank: int, world_size: int) -> "LoaderSplit":
        """Return the split for one of the processes that share its training batches."""
        shared = copy.copy(self)
        shared.rank, shared.world_size = rank, world_size
        return shared

    def with_training_transform(self, transform: Transform) -> "LoaderSplit":
        """Return the split with another transform of its training images."""
        changed = copy.copy(self)
        changed.train = transform
        return changed

    @cached_property
    def _decoded(self) -> TensorSplit:
        batches = self._load(self.evaluation, self._in_order(), DECODING_BATCH_SIZE, "cpu")
        return _collect(batches)

    def _in_order(self) -> list[tuple[int, int]]:
        return [(index, 0) for index in self.indices.tolist()]

    def _load(
        self, transform: Transform, keys: list[tuple[int, int]], batch_size: int, device: str
    ) -> Batches:
        # More processes than batches or CPUs would only cost the time of their start.
        workers = min(self.workers, -(-len(keys) // batch_size), count_cpus())
        source = _Decoder(self.dataset, transform)
        batches = _iterate(source, batch_size, workers, device, sampler=keys)
        if self.mean_std is None:
            return batches
        return ((_normalise_again(images, self.mean_std), labels) for images, labels in batches)


class StreamSplit(Split):
    """A data set that can only be read from its start; it is opened again for every pass.

    The data set shuffles itself: the same seed gives the same batches only with the same number of
    loader processes.
    """

    def __init__(
        self,
        opener: StreamOpener,
        count: int,
        *,
        size: int,
        workers: int = 1,
        max_decoded_bytes: int = MAX_DECODED_BYTES,
    ):
        """Take a function that opens the stream.

        Args:
            opener: Opens the stream of transformed images and labels.
            count: The number of images; further ones of the stream are left out.
            size: Height and width of the images.
            workers: The number of loader processes, at least one.
            max_decoded_bytes: If the decoded images take less, the first evaluation keeps them.
        """
        self.opener, self.count, self.size = opener, count, size
        self.max_decoded_bytes = max_decoded_bytes
        # Transforms draw from the generators of their process. A loader process can be seeded
        # without a change to the generators of this one.
        self.workers = max(1, min(workers, count_cpus()))

    def __len__(self) -> int:
        return self.count

    def batches(
        self, batch_size: int, *, shuffle: Seed | None = None, device: str = "cpu"
    ) -> Batches:
        """Yield batches, in order or as the seed says."""
        if shuffle is not None:
            return islice(self._load(shuffle, batch_size, device), self.steps(batch_size))
        if _decoded_bytes(self.count, self.size) < self.max_decoded_bytes:
            return self._decoded.batches(batch_size, device=device)
        return self._load(None, batch_size, device)

    def with_opener(self, opener: StreamOpener) -> "StreamSplit":
        """Return the split with another function that opens the stream."""
        changed = copy.copy(self)
        changed.opener = opener
        return changed

    @cached_property
    def _decoded(self) -> TensorSplit:
        return _collect(self._load(None, DECODING_BATCH_SIZE, "cpu"))

    def _load(self, shuffle: Seed | None, batch_size: int, device: str) -> Batches:
        stream = self.opener(shuffle)
        batches = _iterate(stream, batch_size, self.workers, device, seed=shuffle or ())
        return _first(self.count, batches)


def _first(count: int, batches: Batches) -> Batches:
    """Yield the first images of batches."""
    left = count
    for images, labels in batches:
        yield images[:left], labels[:left]
        left -= len(labels)
        if left <= 0:
            return


def _decoded_bytes(count: int, size: int) -> int:
    return count * 3 * size**2 * 4


def _collect(batches: Batches) -> TensorSplit:
    """Copy batches into one split: a loader's tensors lie in shared memory, with open files."""
    copies = [(images.clone(), labels.clone()) for images, labels in batches]
    images, labels = zip(*copies, strict=True)
    return TensorSplit(torch.cat(images), torch.cat(labels))


class _Decoder(Dataset[Item]):
    """Decodes and transforms the image that a key names; a key is an index and a seed."""

    def __init__(self, dataset: Any, transform: Transform):
        self.dataset, self.transform = dataset, transform

    def __getitem__(self, key: tuple[int, int]) -> Item:
        index, seed = key
        try:
            with no_bombs():
                image, label = self.dataset[index]
                image = to_rgb(image)
        except BROKEN_IMAGE_ERRORS as error:
            samples = getattr(self.dataset, "samples", None)
            where = samples[index][0] if samples else f"number {index}"
            return UserError(f"cannot read the image {where}: {first_line(error)}")
        with seeded(seed):
            return self.transform(image), int(label)


def _iterate(
    source: Dataset[Any],
    batch_size: int,
    workers: int,
    device: str,
    sampler: Iterable[Any] | None = None,
    seed: Seed = (),
) -> Batches:
    """Load batches and move them to a device."""
    loader = DataLoader(
        source,
        batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=device.startswith("cuda"),
        # With a generator of its own, the loader does not draw from the global one.
        generator=torch.Generator().manual_seed(derive_seed(*seed)),
    )
    for batch in loader:
        if isinstance(batch, UserError):
            raise batch
        images, labels = batch
        yield images.to(device, non_blocking=True), labels.to(device, non_blocking=True)


def _collate(items: list[Item]) -> Any:
    """Make a batch of items, or return the first error among them."""
    errors = (item for item in items if isinstance(item, UserError))
    return next(errors, None) or default_collate(items)


def _normalise_again(images: Tensor, mean_std: MeanStd) -> Tensor:
    """Take ImageNet's normalisation back, and apply another one."""
    old_mean, old_std, mean, std = (
        images.new_tensor(values)[:, None, None] for values in (*IMAGENET_MEAN_STD, *mean_std)
    )
    return images * (old_std / std) + (old_mean - mean) / std
