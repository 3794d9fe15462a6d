"""Splits of images that lie in files: decoded and augmented by loader processes as they are needed.

A map-style data set gives the same batches for the same seed whatever the number of processes.
"""

import copy
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from ean_search.data.splits import Batches, Seed, TensorSplit
from ean_search.utils.device import count_cpus
from ean_search.utils.errors import UserError
from ean_search.utils.seeding import derive_seed, seeded

Transform = Callable[[Any], Tensor]  # of one PIL image
IN_MEMORY = 2**30  # bytes of decoded images that an evaluation may keep


class LoaderSplit:
    """Chosen items of a map-style data set of PIL images, decoded by loader processes.

    What an evaluation decodes is kept for the next one if it takes less than `in_memory` bytes.
    """

    def __init__(
        self,
        dataset: Any,
        chosen: np.ndarray,
        *,
        train: Transform,
        evaluation: Transform,
        size: int,
        workers: int = 0,
        in_memory: int = IN_MEMORY,
    ):
        self.dataset, self.chosen = dataset, chosen
        self.train, self.evaluation, self.size = train, evaluation, size
        self.workers, self.in_memory = workers, in_memory
        self.part = 0, 1  # this process's number among those that share a batch, and their count

    def __len__(self) -> int:
        return len(self.chosen)

    def steps(self, batch_size: int) -> int:
        """Count the training batches of an epoch."""
        return max(1, len(self) // batch_size)

    def batches(
        self, batch_size: int, *, shuffle: Seed | None = None, device: str = "cpu"
    ) -> Batches:
        """Yield batches, in order or as the seed says."""
        if shuffle is None:
            if _fits(len(self), self.size, self.in_memory):
                return self._decoded.batches(batch_size, device=device)
            return self._load(self.evaluation, self._in_order(), batch_size, device)
        rng = np.random.default_rng(shuffle)
        chosen = rng.permutation(self.chosen)[: self.steps(batch_size) * batch_size]
        seeds = rng.integers(2**32, size=len(chosen))
        keys = list(zip(chosen.tolist(), seeds.tolist(), strict=True))
        rank, count = self.part
        return self._load(self.train, keys[rank::count], batch_size // count, device)

    def share(self, rank: int, count: int) -> "LoaderSplit":
        """Return the split for one of the processes that share its training batches."""
        shared = copy.copy(self)
        shared.part = rank, count
        return shared

    @cached_property
    def _decoded(self) -> TensorSplit:
        return _keep(self._load(self.evaluation, self._in_order(), 64, "cpu"))

    def _in_order(self) -> list[tuple[int, int]]:
        return [(index, 0) for index in self.chosen.tolist()]

    def _load(
        self, transform: Transform, keys: list[tuple[int, int]], batch_size: int, device: str
    ) -> Batches:
        # A process more than there are batches, or CPUs, only costs its start.
        workers = min(self.workers, -(-len(keys) // batch_size), count_cpus())
        source = _Decoder(self.dataset, transform)
        return _iterate(source, batch_size, workers, device, sampler=keys)


class StreamSplit:
    """A data set that can only be read from its start, opened afresh for every pass over it.

    The opener takes a seed, or None for evaluation. Shuffling is the data set's own, so the same
    seed gives the same batches only to the same number of loader processes. What an evaluation
    decodes is kept as above.
    """

    def __init__(
        self,
        opener: Callable[[Seed | None], IterableDataset],
        count: int,
        *,
        size: int,
        workers: int = 1,
        in_memory: int = IN_MEMORY,
    ):
        self.opener, self.count, self.size, self.in_memory = opener, count, size, in_memory
        # Transforms draw from their process's generators: a process of their own is seeded.
        self.workers = max(1, min(workers, count_cpus()))

    def __len__(self) -> int:
        return self.count

    def steps(self, batch_size: int) -> int:
        """Count the training batches of an epoch."""
        return max(1, self.count // batch_size)

    def batches(
        self, batch_size: int, *, shuffle: Seed | None = None, device: str = "cpu"
    ) -> Batches:
        """Yield batches, in order or as the seed says."""
        if shuffle is not None:
            return islice(self._load(shuffle, batch_size, device), self.steps(batch_size))
        if _fits(self.count, self.size, self.in_memory):
            return self._decoded.batches(batch_size, device=device)
        return self._load(None, batch_size, device)

    @cached_property
    def _decoded(self) -> TensorSplit:
        return _keep(self._load(None, 64, "cpu"))

    def _load(self, shuffle: Seed | None, batch_size: int, device: str) -> Batches:
        source = self.opener(shuffle)
        return _iterate(source, batch_size, self.workers, device, seed=shuffle or ())


def _fits(count: int, size: int, limit: int) -> bool:
    return count * 3 * size**2 * 4 < limit


def _keep(batches: Batches) -> TensorSplit:
    # Copies: a loader's tensors hold its processes' shared memory, and a file handle each.
    parts = [(images.clone(), labels.clone()) for images, labels in batches]
    images, labels = zip(*parts, strict=True)
    return TensorSplit(torch.cat(images), torch.cat(labels))


class _Decoder(Dataset):
    """Decodes the item named by an index, with the generators set to a seed meanwhile."""

    def __init__(self, dataset: Any, transform: Transform):
        self.dataset, self.transform = dataset, transform

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int] | UserError:
        index, seed = key
        try:
            image, label = self.dataset[index]
            image = image.convert("RGB")
        except (OSError, SyntaxError, EOFError) as error:  # what PIL raises at broken files
            samples = getattr(self.dataset, "samples", None)
            where = samples[index][0] if samples else f"number {index}"
            return UserError(f"cannot read the image {where}: {error}")
        with seeded(seed):
            return self.transform(image), int(label)


def _iterate(
    source: Dataset,
    batch_size: int,
    workers: int,
    device: str,
    sampler: Iterable | None = None,
    seed: Seed = (),
) -> Batches:
    """Load batches and move them to a device."""
    base = derive_seed(*seed)
    loader = DataLoader(
        source,
        batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=device.startswith("cuda"),
        generator=torch.Generator().manual_seed(base),  # leaves the global one alone
    )
    for batch in loader:
        if isinstance(batch, UserError):
            raise batch
        yield tuple(part.to(device, non_blocking=True) for part in batch)


def _collate(items: list) -> Any:
    """Make a batch of items; a fault travels as a value, without its process's traceback."""
    faults = (item for item in items if isinstance(item, UserError))
    return next(faults, None) or default_collate(items)
