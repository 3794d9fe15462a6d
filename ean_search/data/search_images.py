"""The images of a search made ready: some set apart to judge by, the others kept on the device."""

import logging
from dataclasses import replace

import numpy as np
import torch

from ean_search.data.datasets import Data
from ean_search.data.splits import EVALUATION_BATCH_SIZE, Split, TensorSplit
from ean_search.utils.device import free_bytes

log = logging.getLogger(__name__)
MAX_CACHE_SHARE = 0.25  # of the free memory, for a split that is kept on a device


def divide_search(data: Data, judge_share: float) -> tuple[Data, Split | None]:
    """Set some of the search images apart, to judge what a search found on the others.

    Args:
        data: The data set.
        judge_share: The share of each class that judges.

    Returns:
        The data set without these images, and a split of them; None if the share is 0.
    """
    select, judge = divide(data.search, judge_share)
    return replace(data, search=select), judge


def divide(split: Split, share: float) -> tuple[Split, Split | None]:
    """Divide a split into images to select by and images to judge by.

    Both come in a random order that is the same every time, if the split can give them in any
    order. So the first ones of them are of all classes, even if the data is sorted by class.

    Args:
        split: Images for evaluation.
        share: The share of each class that judges; a class of a single image selects.

    Returns:
        Both parts; the second is None if the share is 0, or leaves no image of any class to it.
    """
    order = np.random.default_rng(len(split)).permutation(len(split))
    if not share:
        return split.subset(order), None
    labels = split.all_labels().numpy()[order]
    judges = np.zeros(len(order), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        judges[members[: min(round(share * len(members)), len(members) - 1)]] = True
    if not judges.any():
        log.warning("the search images are too few for some of them to judge what others choose")
        return split.subset(order), None
    return split.subset(order[~judges]), split.subset(order[judges])


def cache_on_device(split: Split, image_size: int, device: str) -> Split:
    """Decode and normalise a split once, and keep it on a device, if there is room for it.

    Args:
        split: Images for evaluation.
        image_size: Their height and width in pixels.
        device: Where to keep them.

    Returns:
        The split on the device, or the given split if it would take more than a quarter of the
        free memory. Images that are held as bytes stay bytes, a quarter of the size.
    """
    as_bytes = isinstance(split, TensorSplit) and split.holds_bytes(image_size)
    needed = (1 if as_bytes else 4) * 3 * image_size**2 * len(split)
    if needed > MAX_CACHE_SHARE * free_bytes(device):
        return split
    if isinstance(split, TensorSplit) and as_bytes:
        return split.own_images().to(device)
    batches = list(split.batches(EVALUATION_BATCH_SIZE, device=device))
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return TensorSplit(images, labels)
