"""Squeeze-and-excitation (arXiv 1709.01507): timm's module with the paper's exact reduction."""

from timm.layers.squeeze_excite import SEModule
from torch import Tensor
from torch.nn import functional as F

from ean_search.attention.base import Attention


class SE(SEModule, Attention):
    """Scale channels by a gate that is computed from their means.

    timm rounds the inner width up to a multiple of 8; the published counts do not.

    Training computes the convolutions of single pixels as matrix products, which takes half the
    time on a CPU. Evaluation does not, because the rounding of a matrix product depends on the
    number of images, and a pass over many placements side by side must give the results of single
    passes.

    Args:
        channels: Channels of the map.
        reduction: Channels of the map for each unit of the inner layer.
    """

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__(channels, rd_ratio=1 / reduction, rd_divisor=1)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        means = x.mean((2, 3))
        inner = self.act(F.linear(means, self.fc1.weight.flatten(1), self.fc1.bias))
        logits = F.linear(inner, self.fc2.weight.flatten(1), self.fc2.bias)
        return x * self.gate(logits)[:, :, None, None]
