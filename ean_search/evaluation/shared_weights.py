"""Measures placements with the weights of one network that was trained for all of them."""

import copy
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ean_search.core.answers import Answers
from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult
from ean_search.data.splits import Split
from ean_search.evaluation.bn_calibration import calibrated_norms, norms_with_statistics
from ean_search.evaluation.cut_graph import CutError
from ean_search.evaluation.failures import is_out_of_memory, trial_failure_reason
from ean_search.evaluation.memory import choose_walk_batch_size
from ean_search.evaluation.precision import FULL_PRECISION, Precision
from ean_search.evaluation.prefix_tree import PrefixTree, check_tree
from ean_search.evaluation.racing import RacingRule
from ean_search.networks.builder import place
from ean_search.utils.device import empty_cache

log = logging.getLogger(__name__)

MIN_WALK_BATCH_SIZE = 8  # images; with fewer, single passes are no slower
WALKED_PER_CALIBRATION_IMAGE = 8  # more images at once leave a smaller share to calibration
Walk = Iterator[tuple[list[int], Tensor]]  # numbers of placements, and their logits


class SharedWeightsEvaluator:
    """Evaluates placements on a split, all with the weights of one network.

    A cohort is walked as a tree, which shares what its placements have in common. A network that
    cannot be cut for that is evaluated placement by placement, with the same results.

    Args:
        network: A network with slots, as `build` returns; it is moved and changed in place.
        split: The images to evaluate on.
        batch_size: Images of a single pass.
        device: Where to compute.
        calibration: Normalised images, (images, 3, size, size), that give every placement norm
            statistics of its own, if the network has such norms; None keeps the network's.
        walk_batch_size: Images of a walk over a cohort; chosen by the free memory if None.
        precision: Number format and memory layout.

    Example:
        >>> evaluator = SharedWeightsEvaluator(network, data.search, calibration=images)
        >>> [result.accuracy for result in evaluator.evaluate(space.enumerate())]
    """

    def __init__(
        self,
        network: nn.Module,
        split: Split,
        batch_size: int = 256,
        device: str = "cpu",
        calibration: Tensor | None = None,
        walk_batch_size: int | None = None,
        precision: Precision = FULL_PRECISION,
    ):
        self.network = precision.prepare(network, device)
        self.split = split
        self.batch_size = batch_size
        self.device = device
        if calibration is None or not norms_with_statistics(self.network):
            calibration = torch.empty(0)
        self.calibration = calibration.to(device)
        self.precision = precision
        self.walk_batch_size = walk_batch_size or batch_size
        self.tree = self._make_tree(choose_size=walk_batch_size is None)

    @property
    def images(self) -> Split:
        """The images that placements are evaluated on."""
        return self.split

    def on(self, images: Split) -> "SharedWeightsEvaluator":
        """Return the evaluator of the same network on other images."""
        other = copy.copy(self)
        other.split = images
        return other

    def evaluate(
        self, placements: Sequence[Placement], racing_rule: RacingRule | None = None
    ) -> Iterator[EvaluationResult]:
        """Yield the accuracy of each placement.

        A cohort that needs too much memory is evaluated again placement by placement.

        Args:
            placements: Placements of the network's space.
            racing_rule: Stops members of the cohort that are clearly worse than its leader; their
                accuracy is that on the images seen so far.

        Yields:
            One result per placement, in their order.
        """
        if len(placements) > 1 and (self.tree is not None or racing_rule is not None):
            results = self._measure_together(placements, racing_rule)
            if results is not None:
                yield from results
                return
        for placement in placements:
            yield self._measure_single(placement)

    def walk(self, images: Tensor, placements: Sequence[Placement]) -> Walk:
        """Yield the logits of a batch for every placement, as a tree if the network allows it.

        Args:
            images: A batch on the evaluator's device, calibration images in front.
            placements: Placements of the network's space.

        Yields:
            The numbers of placements that are equal, and their logits, (images, classes).
        """
        if self.tree is None:
            return self._walk_each(images, placements)
        # Few images leave room for branches side by side, but calibration is for one at a time.
        rows = 1 if len(self.calibration) else self.walk_batch_size
        return self.tree.walk(images, placements, rows)

    def _make_tree(self, choose_size: bool) -> PrefixTree | None:
        try:
            tree = PrefixTree(self.network)
            images, _ = next(iter(self.split.batches(2, device=self.device)))
            check_tree(tree, self.network, images)
            if choose_size:
                held = tree.bytes_held(images) // len(images)
                self.walk_batch_size = self._choose_size(held, images)
        except CutError as reason:
            log.warning("placements are evaluated one by one, because of the network: %s", reason)
            return None
        return tree

    def _choose_size(self, held: int, images: Tensor) -> int:
        """Choose the images of a walk by the free memory.

        Every batch brings all calibration images along, so with them larger batches pay.
        """
        count, batch = len(self.calibration), self.batch_size
        most = batch + WALKED_PER_CALIBRATION_IMAGE * count
        size = choose_walk_batch_size(held, self.network, images, batch, most)
        return max(size - count, batch) if count else size

    def _walk_each(self, images: Tensor, placements: Sequence[Placement]) -> Walk:
        for number, placement in enumerate(placements):
            yield [number], place(self.network, placement)(images)

    def _measure_together(
        self, placements: Sequence[Placement], racing_rule: RacingRule | None
    ) -> list[EvaluationResult] | None:
        """Measure a cohort in one walk; None if it fails for a reason of its members'.

        If memory runs out, walks carry half as many images from then on, as long as they can.
        """
        while True:
            try:
                return list(self._measure(placements, self.walk, self.walk_batch_size, racing_rule))
            except Exception as error:
                if trial_failure_reason(error) is None:
                    raise
                if not is_out_of_memory(error) or self.walk_batch_size <= MIN_WALK_BATCH_SIZE:
                    return None
            self.walk_batch_size //= 2  # outside of the handler, which holds on to the tensors
            empty_cache(self.device)
            log.warning("memory ran out: a walk carries %d images now", self.walk_batch_size)

    def _measure_single(self, placement: Placement) -> EvaluationResult:
        try:
            return next(self._measure([placement], self._walk_each, self.batch_size))
        except Exception as error:
            reason = trial_failure_reason(error)
            if reason is None:
                raise
            return EvaluationResult(None, 0.0, reason)

    def _measure(
        self,
        placements: Sequence[Placement],
        walk: Callable[[Tensor, Sequence[Placement]], Walk],
        batch_size: int,
        racing_rule: RacingRule | None = None,
    ) -> Iterator[EvaluationResult]:
        """Count the right answers of placements whose logits a walk yields."""
        start = time.perf_counter()
        looks = -(-len(self.split) // batch_size)
        cohort = _CohortAnswers(placements, len(self.split), looks, self.device, racing_rule)
        num_calibration = len(self.calibration)
        precision = self.precision.applied(self.device)
        with torch.inference_mode(), precision, calibrated_norms(self.network, num_calibration):
            for images, labels in self.split.batches(batch_size, device=self.device):
                if num_calibration:
                    images = torch.cat([self.calibration, images])
                for members, logits in walk(images, cohort.running):
                    cohort.add(members, logits[num_calibration:], labels)
                cohort.stop_losers()
        seconds = (time.perf_counter() - start) / len(placements)
        yield from cohort.results(seconds)


class _CohortAnswers:
    """Answers of a cohort, whose members may be stopped on the way."""

    def __init__(
        self,
        placements: Sequence[Placement],
        total: int,
        looks: int,
        device: str,
        racing_rule: RacingRule | None,
    ):
        self.total, self.looks, self.racing_rule = total, looks, racing_rule
        self.numbers = list(range(len(placements)))  # of those still running
        self.running = list(placements)
        self.finite = torch.ones(len(placements), dtype=torch.bool, device=device)
        # Without a race nothing is looked at before the end, so that no device is waited for.
        self.answers: list[list[Tensor]] = [[] for _ in placements]
        rewards = [racing_rule.cost_reward(p) for p in placements] if racing_rule else []
        self.cost_rewards = np.array(rewards)

    def add(self, members: Sequence[int], logits: Tensor, labels: Tensor) -> None:
        """Take in the answers of running members to one batch."""
        right, finite = logits.argmax(1) == labels, logits.isfinite().all()
        for member in members:
            number = self.numbers[member]
            self.finite[number] &= finite
            self.answers[number].append(right)

    def stop_losers(self) -> None:
        """Stop the members that have lost the race, if there is one."""
        if self.racing_rule is None:
            return
        answers = torch.stack([torch.cat(self.answers[i]) for i in self.numbers]).cpu().numpy()
        cost_rewards = self.cost_rewards[self.numbers]
        losers = self.racing_rule.find_losers(answers, cost_rewards, self.total, self.looks)
        left = np.flatnonzero(~losers)
        self.running = [self.running[i] for i in left]
        self.numbers = [self.numbers[i] for i in left]

    def results(self, seconds: float) -> Iterator[EvaluationResult]:
        """Yield the result of each member."""
        given = [torch.cat(parts) for parts in self.answers]
        ends = np.cumsum([len(right) for right in given])
        all_answers = np.split(torch.cat(given).cpu().numpy(), ends[:-1])
        for right, finite in zip(all_answers, self.finite.tolist(), strict=True):
            if not finite:
                yield EvaluationResult(None, seconds, "its logits are not finite numbers")
                continue
            answers, stopped = Answers.of(right), len(right) < self.total
            note = f"stopped after {len(right)} of {self.total} images" if stopped else ""
            yield EvaluationResult(answers.accuracy, seconds, note, stopped, answers=answers)


def top1_accuracy(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Return a network's top-1 accuracy, in [0, 1]; the arguments are those of `top1_answers`."""
    return top1_answers(network, batches).accuracy


def top1_answers(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> Answers:
    """Return whether a network's most likely class is right; puts it into evaluation mode.

    Args:
        network: Any classifier.
        batches: Images and labels, on the network's device.
    """
    network.eval()
    with torch.inference_mode():
        right = [network(images).argmax(1) == labels for images, labels in batches]
    return Answers.of(torch.cat(right).cpu().numpy())  # the device is waited for at the end only
