"""Classification of another data set: the network is trained further, with a new head."""

import torch
from torch import nn

from ean_search.data.datasets import DataSource, load_data
from ean_search.data.splits import Split
from ean_search.evaluation.shared_weights import top1_accuracy
from ean_search.retrain.transfer.task import Task
from ean_search.training.recipe import Recipe
from ean_search.training.step import plain_step
from ean_search.utils.errors import UserError

RECIPE = Recipe(epochs=6, lr=1e-3)
EVAL_BATCH_SIZE = 256


def classify(name: str | None = None, *, root: str | None = None, seed: int = 0) -> Task:
    """Make the task of classifying a data set.

    Args:
        name: The name of the data set, as in an experiment.
        root: Its folder.
        seed: Of generated data.

    Raises:
        UserError: If there is no name, or no data set of that name.
    """
    if name is None:
        raise UserError("classify needs a data set: classify:cifar10")
    data = load_data(DataSource(name=name, root=root, seed=seed))
    return Task(
        name=f"classify-{name.replace(':', '-').replace('/', '-')}",
        metric="top-1",
        train=data.train_and_search,
        test=data.test,
        attach=lambda network: _replace_head(network, data.classes),
        step=plain_step,
        score=_score,
        recipe=RECIPE,
    )


def _replace_head(network: nn.Module, classes: int) -> nn.Module:
    """Put a new last layer in the place of the trained one."""
    old_classes = getattr(network, "num_classes", None)
    linear = [(path, m) for path, m in network.named_modules() if isinstance(m, nn.Linear)]
    heads = [(path, layer) for path, layer in linear if layer.out_features == old_classes]
    if not heads:
        raise UserError(f"{type(network).__name__} has no last linear layer to put another for")
    path, old_head = heads[-1]
    with torch.random.fork_rng(devices=[]):
        head = nn.Linear(old_head.in_features, classes)
    network.set_submodule(path, head)
    network.num_classes = classes  # type: ignore[assignment]  # a plain number, as timm has it
    return network


def _score(network: nn.Module, split: Split, device: str = "cpu") -> float:
    return top1_accuracy(network, split.batches(EVAL_BATCH_SIZE, device=device))
