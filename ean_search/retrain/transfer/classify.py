"""Classifying other data: the network goes on with a head of its own."""

import torch
from torch import nn

from ean_search.data.datasets import DataSource, load_data
from ean_search.data.splits import Split
from ean_search.evaluation.shared_weights import score
from ean_search.retrain.transfer.task import Task
from ean_search.training.recipe import Recipe
from ean_search.training.trainer import plain_step
from ean_search.utils.errors import UserError

RECIPE = Recipe(epochs=6, lr=1e-3)


def classify(name: str | None = None, *, root: str | None = None, seed: int = 0) -> Task:
    """Make the task of classifying a data set."""
    if name is None:
        raise UserError("classify needs a data set: classify:cifar10")
    data = load_data(DataSource(name=name, root=root, seed=seed))

    def attach(network: nn.Module) -> nn.Module:
        return _with_head(network, data.classes)

    label = f"classify-{name.replace(':', '-').replace('/', '-')}"
    return Task(
        label, "top-1", data.train_and_search, data.test, attach, plain_step, _score, RECIPE
    )


def _with_head(network: nn.Module, classes: int) -> nn.Module:
    """Put a fresh last layer in place of the one there is."""
    linear = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Linear)]
    heads = [(n, m) for n, m in linear if m.out_features == getattr(network, "num_classes", None)]
    if not heads:
        raise UserError(f"{type(network).__name__} has no last linear layer to put another for")
    name, head = heads[-1]
    with torch.random.fork_rng(devices=[]):
        fresh = nn.Linear(head.in_features, classes)
    network.set_submodule(name, fresh)
    network.num_classes = classes
    return network


def _score(network: nn.Module, split: Split, device: str = "cpu") -> float:
    return score(network, split.batches(256, device=device))
