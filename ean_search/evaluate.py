"""Measures placements with the weights of one network that was trained for all of them."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from ean_search.memory import images_at_once
from ean_search.network import place
from ean_search.recalibrate import recalibrated
from ean_search.space import Placement
from ean_search.splits import Split
from ean_search.tree import CutError, PrefixTree, check_tree
from ean_search.trial import Measured

log = logging.getLogger(__name__)

Passes = Iterator[tuple[list[int], Tensor]]  # numbers of placements, and their logits


class SharedWeights:
    """Evaluates placements on a split.

    A cohort is walked as a tree, which shares what its placements have in common; a network that
    cannot be cut for that is evaluated placement by placement, with the same results. Given
    calibration images, every placement gets norm statistics of its own.
    """

    def __init__(
        self,
        network: nn.Module,
        split: Split,
        batch_size: int = 256,
        device: str = "cpu",
        calibration: Tensor | None = None,
        at_once: int | None = None,
    ):
        self.network = network.to(device).eval()
        self.split = split
        self.batch_size = batch_size
        self.device = device
        self.calibration = torch.empty(0) if calibration is None else calibration.to(device)
        self.at_once = at_once or batch_size  # images that a cohort is walked with
        # Smaller pieces would calibrate once each, so with calibration the batch stays whole.
        self.tree = self._make_tree(choose_size=at_once is None and calibration is None)

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[Measured]:
        """Yield the accuracy of each placement."""
        if self.tree is None or len(placements) == 1:
            yield from self._one_by_one(placements)
        else:
            yield from self._together(self.tree, placements)

    def _make_tree(self, choose_size: bool) -> PrefixTree | None:
        try:
            tree = PrefixTree(self.network)
            images, _ = next(iter(self.split.batches(2, device=self.device)))
            check_tree(tree, self.network, images)
            if choose_size:
                held = tree.bytes_held(images) // len(images)
                self.at_once = images_at_once(held, self.network, images, self.batch_size)
        except CutError as reason:
            log.warning("placements are evaluated one by one, because of the network: %s", reason)
            return None
        return tree

    def _one_by_one(self, placements: Sequence[Placement]) -> Iterator[Measured]:
        for placement in placements:
            yield from self._measure([placement], self._pass_one, self.batch_size)

    def _together(self, tree: PrefixTree, placements: Sequence[Placement]) -> Iterator[Measured]:
        yield from self._measure(placements, tree.walk, self.at_once)

    def _pass_one(self, images: Tensor, placements: Sequence[Placement]) -> Passes:
        yield [0], place(self.network, placements[0])(images)

    def _measure(
        self, placements: Sequence[Placement], walk: Callable[..., Passes], size: int
    ) -> Iterator[Measured]:
        """Count the right answers of placements whose logits a walk yields."""
        start = time.perf_counter()
        correct = torch.zeros(len(placements), dtype=torch.long, device=self.device)
        first = len(self.calibration)
        with torch.inference_mode(), recalibrated(self.network, first):
            for images, labels in self.split.batches(size, device=self.device):
                if first:
                    images = torch.cat([self.calibration, images])
                for members, logits in walk(images, placements):
                    correct[members] += (logits[first:].argmax(1) == labels).sum()
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
