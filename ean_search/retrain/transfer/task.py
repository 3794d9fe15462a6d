"""Tasks that a searched network is tried on as a backbone, by name.

A task brings data, a head, what a training step yields, and how the result is scored.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from ean_search.data.splits import Split
from ean_search.training.recipe import Recipe
from ean_search.training.trainer import Step
from ean_search.utils.errors import UserError
from ean_search.utils.registry import lookup

TASKS = {
    "detect": "ean_search.retrain.transfer.detect:detect",
    "segment": "ean_search.retrain.transfer.segment:segment",
    "classify": "ean_search.retrain.transfer.classify:classify",
}


@dataclass(frozen=True)
class Task:
    """One thing to do with a backbone."""

    name: str
    metric: str
    train: Split
    test: Split
    attach: Callable[[nn.Module], nn.Module]  # a head to a network trained for classification
    step: Step
    score: Callable[[nn.Module, Split, str], float]  # a network, a split, a device
    recipe: Recipe


def make_task(text: str, **options: Any) -> Task:
    """Make a task from its name, and what may follow: `segment:deeplabv3`, `classify:cifar10`."""
    name, _, detail = text.partition(":")
    make, words = lookup(name, TASKS, "task"), [detail] if detail else []
    try:
        inspect.signature(make).bind(*words, **options)
    except TypeError as error:
        raise UserError(f"task {text!r}: {error}") from error
    return make(*words, **options)
