"""Tasks that a searched network is tried on as a backbone, by name.

A task brings data, a head, the losses of a training step, and a score.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from ean_search.data.splits import Split
from ean_search.training.recipe import Recipe
from ean_search.training.step import Step
from ean_search.utils.errors import UserError
from ean_search.utils.registry import lookup

TASKS = {
    "detect": "ean_search.retrain.transfer.detect:detect",
    "segment": "ean_search.retrain.transfer.segment:segment",
    "classify": "ean_search.retrain.transfer.classify:classify",
}


@dataclass(frozen=True)
class Task:
    """A task for a backbone.

    Attributes:
        name: The name of the folder of its trainings.
        metric: The name of the score, such as "mIoU".
        train: The training images.
        test: The test images.
        attach: Puts the task's head on a network that was trained for classification.
        step: Yields the losses of a batch.
        score: Scores a network on a split on a device; higher is better.
        recipe: How to train.
    """

    name: str
    metric: str
    train: Split
    test: Split
    attach: Callable[[nn.Module], nn.Module]
    step: Step
    score: Callable[[nn.Module, Split, str], float]
    recipe: Recipe


def make_task(text: str, **options: Any) -> Task:
    """Make a task.

    Args:
        text: A key of TASKS; a detail may follow it, as in "segment:deeplabv3" or
            "classify:cifar10".
        options: Keyword arguments of the task.

    Raises:
        UserError: If the name, the detail or an option is not known.

    Example:
        >>> make_task("detect", train=200, test=50)
    """
    name, _, detail = text.partition(":")
    make_named_task, details = lookup(name, TASKS, "task"), [detail] if detail else []
    try:
        inspect.signature(make_named_task).bind(*details, **options)
    except TypeError as error:
        raise UserError(f"task {text!r}: {error}") from error
    task: Task = make_named_task(*details, **options)
    return task
