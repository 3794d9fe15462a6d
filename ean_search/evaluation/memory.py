"""How many images a walk over many placements may carry at once.

A walk holds two maps or so a site, where a single pass holds three in all; the more images it
carries, the faster it is. It may take a share of what is free; on a CPU no more than a pass over a
whole batch takes and half as much again as the process already has, so that a search that got as
far as its network does not die of its cohorts.
"""

import psutil
import torch
from torch import Tensor, nn

from ean_search.utils.device import free_bytes

FREE_SHARE = 0.5  # of the free memory
OWN_SHARE = 0.5  # of a process's resident memory


def images_at_once(
    held: int, network: nn.Module, image: Tensor, batch_size: int, most: int | None = None
) -> int:
    """Return how many images to walk with at once, each holding so many bytes.

    That is a batch at most, unless more are wanted where they need no more memory.
    """
    widest = widest_layer(network, image)
    if image.is_cuda:
        budget = int(FREE_SHARE * free_bytes(str(image.device)))
    else:
        own = batch_size * widest + int(OWN_SHARE * resident_bytes())
        budget = min(own, int(FREE_SHARE * free_bytes("cpu")))
    return max(1, min(most or batch_size, budget // (held + widest)))


def resident_bytes() -> int:
    """Return what this process has in memory now."""
    return psutil.Process().memory_info().rss


def widest_layer(network: nn.Module, image: Tensor) -> int:
    """Return the most bytes that one layer reads and writes, for one image."""
    widest = 0

    def note(module: nn.Module, inputs: tuple, output: object) -> None:
        nonlocal widest
        tensors = [t for t in (*inputs, output) if isinstance(t, Tensor)]
        widest = max(widest, sum(t.numel() * t.element_size() for t in tensors))

    leaves = [module for module in network.modules() if not any(module.children())]
    hooks = [leaf.register_forward_hook(note) for leaf in leaves]
    with torch.inference_mode():
        network(image)
    for hook in hooks:
        hook.remove()
    return widest // len(image)
