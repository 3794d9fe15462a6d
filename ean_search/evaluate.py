"""Measures placements with the weights of one network that was trained for all of them."""

import time
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from ean_search.network import place
from ean_search.space import Placement
from ean_search.splits import Split
from ean_search.trial import Measured


class SharedWeights:
    """Evaluates placements one by one on a split, with the network's statistics as they are."""

    def __init__(
        self, network: nn.Module, split: Split, batch_size: int = 256, device: str = "cpu"
    ):
        self.network = network.to(device)
        self.split = split
        self.batch_size = batch_size
        self.device = device

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[Measured]:
        """Yield the accuracy of each placement."""
        for placement in placements:
            start = time.perf_counter()
            batches = self.split.batches(self.batch_size, device=self.device)
            accuracy = score(place(self.network, placement), batches)
            yield Measured(accuracy, time.perf_counter() - start)


def score(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Return a network's top-1 accuracy, in evaluation mode."""
    network.eval()
    correct, seen = [], 0
    with torch.inference_mode():
        for images, labels in batches:
            correct.append((network(images).argmax(1) == labels).sum())
            seen += len(labels)
    # One addition at the end: the device is not waited for in between.
    return float(torch.stack(correct).sum()) / seen
