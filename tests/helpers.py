"""What several test files need of networks."""

import torch
from torch import nn


def image_size(space: str) -> int:
    """Return a small size at which a shipped space's network still has maps to look at."""
    return 32 if space in ("tiny", "resnet164_shared") else 64


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give every branch a part in the output: timm's residual branches start at zero."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)
    return network
