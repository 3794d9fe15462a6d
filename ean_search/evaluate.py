"""Measures placements with the weights of one network that was trained for all of them."""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from ean_search.network import place
from ean_search.space import Placement
from ean_search.splits import Split
from ean_search.tree import CutError, PrefixTree, check_tree
from ean_search.trial import Measured

log = logging.getLogger(__name__)


class SharedWeights:
    """Evaluates placements on a split, with the network's statistics as they are.

    A cohort is walked as a tree, which shares what its placements have in common; a network that
    cannot be cut for that is evaluated placement by placement, with the same results.
    """

    def __init__(
        self, network: nn.Module, split: Split, batch_size: int = 256, device: str = "cpu"
    ):
        self.network = network.to(device).eval()
        self.split = split
        self.batch_size = batch_size
        self.device = device
        self.tree = self._make_tree()

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[Measured]:
        """Yield the accuracy of each placement."""
        if self.tree is None or len(placements) == 1:
            yield from self._one_by_one(placements)
        else:
            yield from self._together(self.tree, placements)

    def _make_tree(self) -> PrefixTree | None:
        try:
            tree = PrefixTree(self.network)
            images, _ = next(iter(self._batches()))
            check_tree(tree, self.network, images[:2])
        except CutError as reason:
            log.warning("placements are evaluated one by one, because of the network: %s", reason)
            return None
        return tree

    def _batches(self) -> Iterable[tuple[Tensor, Tensor]]:
        return self.split.batches(self.batch_size, device=self.device)

    def _one_by_one(self, placements: Sequence[Placement]) -> Iterator[Measured]:
        for placement in placements:
            start = time.perf_counter()
            accuracy = score(place(self.network, placement), self._batches())
            yield Measured(accuracy, time.perf_counter() - start)

    def _together(self, tree: PrefixTree, placements: Sequence[Placement]) -> Iterator[Measured]:
        start = time.perf_counter()
        correct = torch.zeros(len(placements), dtype=torch.long, device=self.device)
        with torch.inference_mode():
            for images, labels in self._batches():
                for members, logits in tree.walk(images, placements):
                    correct[members] += (logits.argmax(1) == labels).sum()
        accuracies = (correct.double() / len(self.split)).tolist()
        seconds = (time.perf_counter() - start) / len(placements)
        yield from (Measured(accuracy, seconds) for accuracy in accuracies)


def score(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Return a network's top-1 accuracy, in evaluation mode."""
    network.eval()
    correct, seen = [], 0
    with torch.inference_mode():
        for images, labels in batches:
            correct.append((network(images).argmax(1) == labels).sum())
            seen += len(labels)
    # One addition at the end: the device is not waited for in between.
    return float(torch.stack(correct).sum().double() / seen)
