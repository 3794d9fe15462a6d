"""Small data for tests: made here, with classes that a small network tells apart in seconds."""

import torch

from ean_search.data.splits import TensorSplit


def blobs(count: int, seed: int, size: int = 16) -> TensorSplit:
    """Make noise whose mean colour gives the class, of three."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    images = torch.randn(count, 3, size, size, generator=generator)
    images += torch.eye(3)[labels][:, :, None, None]
    return TensorSplit(images, labels)
