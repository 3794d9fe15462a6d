"""Measures placements with the weights of one network that was trained for all of them."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult
from ean_search.data.splits import Split
from ean_search.evaluation.bn_calibration import calibrated_norms, norms_of
from ean_search.evaluation.failures import trial_failure_reason
from ean_search.evaluation.memory import images_at_once
from ean_search.evaluation.precision import FULL, Precision
from ean_search.evaluation.prefix_tree import CutError, PrefixTree, check_tree
from ean_search.evaluation.racing import RacingRule
from ean_search.networks.builder import place

log = logging.getLogger(__name__)

RARELY = 8  # times as many images as set norm statistics, at once
Passes = Iterator[tuple[list[int], Tensor]]  # numbers of placements, and their logits


class SharedWeightsEvaluator:
    """Evaluates placements on a split.

    A cohort is walked as a tree, which shares what its placements have in common; a network that
    cannot be cut for that is evaluated placement by placement, with the same results. Given
    calibration images, every placement gets norm statistics of its own, if there are such norms.
    """

    def __init__(
        self,
        network: nn.Module,
        split: Split,
        batch_size: int = 256,
        device: str = "cpu",
        calibration: Tensor | None = None,
        at_once: int | None = None,
        precision: Precision = FULL,
    ):
        self.network = precision.prepare(network, device)
        self.split = split
        self.batch_size = batch_size
        self.device = device
        own = calibration is not None and norms_of(self.network)
        self.calibration = calibration.to(device) if own else torch.empty(0)
        self.precision = precision
        self.at_once = at_once or batch_size  # images that a cohort is walked with
        self.tree = self._make_tree(choose_size=at_once is None)

    def evaluate(
        self, placements: Sequence[Placement], race: RacingRule | None = None
    ) -> Iterator[EvaluationResult]:
        """Yield the accuracy of each placement; in a race, of some on a part of the images.

        What a cohort has no memory for is tried placement by placement.
        """
        if len(placements) > 1 and (self.tree is not None or race is not None):
            try:
                together = list(self._measure(placements, self.passes, self.at_once, race))
            except Exception as error:
                if trial_failure_reason(error) is None:
                    raise
            else:
                yield from together
                return
        for placement in placements:
            yield self._measure_one(placement)

    def passes(self, images: Tensor, placements: Sequence[Placement]) -> Passes:
        """Yield the logits of a batch for every placement, the fastest way there is."""
        if self.tree is None:
            return self._pass_each(images, placements)
        # Few images leave room for branches side by side, but calibration is for one at a time.
        rows = 1 if len(self.calibration) else self.at_once
        return self.tree.walk(images, placements, rows)

    def _make_tree(self, choose_size: bool) -> PrefixTree | None:
        try:
            tree = PrefixTree(self.network)
            images, _ = next(iter(self.split.batches(2, device=self.device)))
            check_tree(tree, self.network, images)
            if choose_size:
                held = tree.bytes_held(images) // len(images)
                self.at_once = self._choose_size(held, images)
        except CutError as reason:
            log.warning("placements are evaluated one by one, because of the network: %s", reason)
            return None
        return tree

    def _choose_size(self, held: int, images: Tensor) -> int:
        """Take what memory there is: every piece calibrates, so they had better be few."""
        count, batch = len(self.calibration), self.batch_size
        room = images_at_once(held, self.network, images, batch, batch + RARELY * count)
        return max(room - count, batch) if count else room

    def _pass_each(self, images: Tensor, placements: Sequence[Placement]) -> Passes:
        for number, placement in enumerate(placements):
            yield [number], place(self.network, placement)(images)

    def _measure_one(self, placement: Placement) -> EvaluationResult:
        try:
            return next(self._measure([placement], self._pass_each, self.batch_size))
        except Exception as error:
            why = trial_failure_reason(error)
            if why is None:
                raise
            return EvaluationResult(None, 0.0, why)

    def _measure(
        self,
        placements: Sequence[Placement],
        walk: Callable[..., Passes],
        size: int,
        race: RacingRule | None = None,
    ) -> Iterator[EvaluationResult]:
        """Count the right answers of placements whose logits a walk yields."""
        start = time.perf_counter()
        tally = _Tally(placements, len(self.split), -(-len(self.split) // size), self.device, race)
        first = len(self.calibration)
        precision = self.precision.autocast(self.device)
        with torch.inference_mode(), precision, calibrated_norms(self.network, first):
            for images, labels in self.split.batches(size, device=self.device):
                if first:
                    images = torch.cat([self.calibration, images])
                for members, logits in walk(images, tally.running):
                    tally.add(members, logits[first:], labels)
                tally.look()
        seconds = (time.perf_counter() - start) / len(placements)
        yield from tally.results(seconds)


class _Tally:
    """Right answers of a cohort, whose members may be stopped on the way."""

    def __init__(
        self,
        placements: Sequence[Placement],
        total: int,
        looks: int,
        device: str,
        race: RacingRule | None,
    ):
        self.total, self.looks, self.race = total, looks, race
        self.numbers = list(range(len(placements)))  # of those still running
        self.running = list(placements)
        self.correct = torch.zeros(len(placements), dtype=torch.long, device=device)
        self.finite = torch.ones(len(placements), dtype=torch.bool, device=device)
        self.seen = [0] * len(placements)
        # Without a race nothing is looked at before the end, so that no device is waited for.
        self.right: list[list[Tensor]] = [[] for _ in placements]
        self.values = np.array([race.value(placement) for placement in placements] if race else [])

    def add(self, members: Sequence[int], logits: Tensor, labels: Tensor) -> None:
        """Take in the answers of running members to one batch."""
        right, finite = logits.argmax(1) == labels, logits.isfinite().all()
        for member in members:
            number = self.numbers[member]
            self.correct[number] += right.sum()
            self.finite[number] &= finite
            self.seen[number] += len(right)
            if self.race:
                self.right[number].append(right)

    def look(self) -> None:
        """Stop who has lost the race."""
        if self.race is None:
            return
        right = torch.stack([torch.cat(self.right[i]) for i in self.numbers]).cpu().numpy()
        values = self.values[self.numbers]
        stopped = self.race.stops(right, values, self.total, self.looks)
        keep = np.flatnonzero(~stopped)
        self.running = [self.running[i] for i in keep]
        self.numbers = [self.numbers[i] for i in keep]

    def results(self, seconds: float) -> Iterator[EvaluationResult]:
        """Yield what each member got."""
        found = zip(self.correct.tolist(), self.finite.tolist(), self.seen, strict=True)
        for correct, finite, seen in found:
            if not finite:
                yield EvaluationResult(None, seconds, "its logits are not finite numbers")
                continue
            stopped = seen < self.total
            note = f"stopped after {seen} of {self.total} images" if stopped else ""
            yield EvaluationResult(correct / seen, seconds, note, stopped)


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
