"""The evaluator of a run's conclusions, on images that had no part in the search; nothing races."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import nn

from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult
from ean_search.data.splits import Split
from ean_search.distributed.config import Workers
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.example import Example
from ean_search.runs.evaluator_factory import LocalEvaluator, training_evaluator


@dataclass(frozen=True)
class FinalEvaluator:
    """A network to prune, and comparable results of placements.

    Attributes:
        network: The network with slots that placements are cut from.
        device: The device of the network, on which latencies are measured.
        images: How many images each accuracy is a mean over; 0: not known.
        evaluate: Yields the results of placements in their order, all in the same way.
        example: What a forward pass takes when it is timed; None: random images.
        search_images: How many images the accuracies of the search are means over; 0: not known.
        judges_apart: Whether `images` had no part in the search.
    """

    network: nn.Module
    device: str
    images: int
    evaluate: Callable[[Sequence[Placement]], Iterator[EvaluationResult]]
    example: Example | None = None
    search_images: int = 0
    judges_apart: bool = False


@contextmanager
def final_evaluator(
    local: LocalEvaluator, judge: Split | None, workers: Workers | None, folder: Path
) -> Iterator[FinalEvaluator]:
    """Give the evaluator of a run's conclusions; only stand-alone trainings use the workers.

    Args:
        local: The evaluator of the run in this process.
        judge: The images to judge by; those of the search if None.
        workers: The Ray workers, if any.
        folder: The run's folder, in which Ray keeps its files while it works.
    """
    judging = local if judge is None else local.on(judge)
    make = partial(
        FinalEvaluator,
        local.network,
        local.device,
        len(judging.images),
        search_images=len(local.images),
        judges_apart=judge is not None,
    )
    if isinstance(judging, SharedWeightsEvaluator) or workers is None:
        yield make(evaluate=judging.evaluate)
        return
    with training_evaluator(judging, workers, folder, name="comparison") as evaluator:
        yield make(evaluate=evaluator.evaluate)
