"""Norm statistics of each placement's own, on batches of a user's loader.

Where norms learnt from all placements together, their statistics are a mixture that fits none of
them. So each placement gets those of a few training batches before it is scored. What a batch is
does not matter: the user's loss is computed, and its value is not used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ean_search.training.fine_tune import LossFunction
from ean_search.utils.seeding import seeded


@dataclass(frozen=True)
class NormCalibration:
    """Sets the statistics of a network's norms.

    Attributes:
        batches: What the loader gave; none: statistics stay as they are.
        loss: The loss of a network on a batch.
    """

    batches: Sequence[Any]
    loss: LossFunction

    def apply(self, network: nn.Module) -> None:
        """Set the statistics of the norms that learn to the means over the batches, in place."""
        norms = learning_norms(network)
        if not norms or not self.batches:
            return
        modes = [(module, module.training) for module in network.modules()]
        momentums = [norm.momentum for norm in norms]
        network.train()
        for module in network.modules():
            if isinstance(module, _BatchNorm) and module not in norms:
                module.eval()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
        with seeded(0), torch.no_grad():
            for batch in self.batches:
                self.loss(network, batch)
        for norm, momentum in zip(norms, momentums, strict=True):
            norm.momentum = momentum
        for module, mode in modes:
            module.training = mode


def learning_norms(network: nn.Module) -> list[_BatchNorm]:
    """List the norms with statistics whose weights are not frozen."""
    return [
        module
        for module in network.modules()
        if isinstance(module, _BatchNorm)
        and module.running_mean is not None
        and any(parameter.requires_grad for parameter in module.parameters())
    ]
