"""Settings, noise images and medians of interleaved runs, for the measurements of time."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ean_search.core.space import Placement
from ean_search.costs.stopwatch import time_in_turn
from ean_search.data.splits import TensorSplit
from ean_search.search.evaluator import Evaluator


@dataclass(frozen=True)
class TimingSettings:
    """What a timed evaluation sees, and how often it is repeated."""

    image_size: int = 64  # pixels, height and width
    images: int = 128  # per evaluation, in one batch
    rounds: int = 3
    device: str = "cpu"

    def make_split(self) -> TensorSplit:
        """Return noise images, the same every time, that all have the label 0."""
        generator = torch.Generator().manual_seed(0)
        size = self.image_size
        images = torch.randn(self.images, 3, size, size, generator=generator)
        return TensorSplit(images, torch.zeros(self.images, dtype=torch.long))


def evaluation_of(evaluator: Evaluator, cohort: Sequence[Placement]) -> Callable[[], None]:
    """Return an action to time: evaluate a cohort and drop the results."""

    def evaluate() -> None:
        list(evaluator.evaluate(cohort))

    return evaluate


def median_seconds(
    actions: dict[str, Callable[[], None]], rounds: int, device: str
) -> dict[str, float]:
    """Run the actions in turn, round by round; return the median seconds of each."""
    times = time_in_turn(actions, rounds, device)
    return {name: statistics.median(seconds) for name, seconds in times.items()}
