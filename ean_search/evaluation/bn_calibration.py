"""Norm statistics of a placement's own, in place of the supernet's mixture over all placements.

The first images of a batch are for calibration: before a norm runs, its statistics are set to
those of these images' activations, and then hold for all images. That happens inside whatever
order the network is computed in, so in a walk over a tree of placements, shared prefixes are
recalibrated once. The price is the calibration images' share of every batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Norm = nn.BatchNorm2d | nn.SyncBatchNorm


def norms_of(network: nn.Module) -> list[Norm]:
    """List the norms that keep statistics of maps; where tokens are rows, images cannot be told."""
    norms = (module for module in network.modules() if isinstance(module, Norm))
    return [norm for norm in norms if norm.running_mean is not None]


@contextmanager
def calibrated_norms(network: nn.Module, images: int) -> Iterator[None]:
    """Let the first images of every batch set the norms' statistics, and put them back after.

    With no images, the statistics stay as they are.
    """
    norms = norms_of(network) if images else []
    kept = [(norm.running_mean.clone(), norm.running_var.clone()) for norm in norms]
    hooks = [norm.register_forward_pre_hook(_set_statistics(images)) for norm in norms]
    try:
        yield
    finally:
        for norm, hook, (mean, var) in zip(norms, hooks, kept, strict=True):
            hook.remove()
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(var)


def _set_statistics(images: int):
    def hook(norm: Norm, inputs: tuple[Tensor]) -> None:
        var, mean = torch.var_mean(inputs[0][:images], dim=(0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(var)

    return hook
