"""How many images a walk over many placements may carry at once.

A walk holds about two maps per site, a single pass about three in all. The more images it carries,
the faster it is. It may take a share of the free memory. On a CPU it takes no more than a pass over
one whole batch and half of what the process already has, so that a search whose network fitted
into memory does not fail because of its cohorts.
"""

import psutil
import torch
from torch import Tensor, nn

from ean_search.utils.device import free_bytes

FREE_MEMORY_SHARE = 0.5
RESIDENT_MEMORY_SHARE = 0.5  # of what the process already has


def choose_walk_batch_size(
    held: int, network: nn.Module, image: Tensor, batch_size: int, most: int | None = None
) -> int:
    """Return how many images to walk with at once.

    Args:
        held: Bytes that the walk holds for each image.
        network: The network.
        image: One or more images, (images, channels, height, width), on the walk's device.
        batch_size: Images of a single pass.
        most: Upper limit of the answer; the batch size if None.

    Returns:
        The number of images, at least 1.
    """
    widest = widest_layer(network, image)
    if image.is_cuda:
        budget = int(FREE_MEMORY_SHARE * free_bytes(str(image.device)))
    else:
        own = batch_size * widest + int(RESIDENT_MEMORY_SHARE * resident_bytes())
        budget = min(own, int(FREE_MEMORY_SHARE * free_bytes("cpu")))
    return max(1, min(most or batch_size, budget // (held + widest)))


def resident_bytes() -> int:
    """Return the memory that this process has now."""
    return psutil.Process().memory_info().rss


def widest_layer(network: nn.Module, images: Tensor) -> int:
    """Return the largest number of bytes that one layer reads and writes for one image."""
    widest = 0

    def measure(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal widest
        tensors = [t for t in (*inputs, output) if isinstance(t, Tensor)]
        widest = max(widest, sum(t.numel() * t.element_size() for t in tensors))

    leaves = [module for module in network.modules() if not any(module.children())]
    hooks = [leaf.register_forward_hook(measure) for leaf in leaves]
    with torch.inference_mode():
        network(images)
    for hook in hooks:
        hook.remove()
    return widest // len(images)
