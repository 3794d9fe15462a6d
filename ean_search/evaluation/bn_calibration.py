"""Norm statistics of each placement, in place of the supernet's mixture over all placements.

The first images of a batch are for calibration: before a norm runs, its statistics are set to
those of these images' activations, and then hold for all images. That works in whatever order the
network is computed, so in a walk over a tree of placements, shared prefixes are calibrated once.
The price is the calibration images' share of every batch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Norm = nn.BatchNorm2d | nn.SyncBatchNorm


def norms_with_statistics(network: nn.Module) -> list[Norm]:
    """List the norms that keep statistics of maps (batch, channels, height, width).

    Norms of tokens are left out: their rows do not tell which image they are from.
    """
    norms = (module for module in network.modules() if isinstance(module, Norm))
    return [norm for norm in norms if norm.running_mean is not None]


@contextmanager
def calibrated_norms(network: nn.Module, num_images: int) -> Iterator[None]:
    """Let the first images of every batch set the norms' statistics in the block.

    The statistics from before are put back at the end.

    Args:
        network: A network in evaluation mode.
        num_images: How many images at the front of each batch are for calibration. With 0 the
            statistics stay as they are.
    """
    norms = norms_with_statistics(network) if num_images else []
    saved = [tuple(value.clone() for value in _statistics(norm)) for norm in norms]
    hooks = [norm.register_forward_pre_hook(_set_statistics(num_images)) for norm in norms]
    try:
        yield
    finally:
        for norm, hook, (mean, var) in zip(norms, hooks, saved, strict=True):
            hook.remove()
            running_mean, running_var = _statistics(norm)
            running_mean.copy_(mean)
            running_var.copy_(var)


def _statistics(norm: Norm) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var


def _set_statistics(num_images: int) -> Callable[[nn.Module, tuple[Tensor]], None]:
    def hook(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        assert isinstance(norm, Norm)
        var, mean = torch.var_mean(inputs[0][:num_images], dim=(0, 2, 3))
        running_mean, running_var = _statistics(norm)
        running_mean.copy_(mean)
        running_var.copy_(var)

    return hook
