"""Squeeze-and-excitation (arXiv 1709.01507): timm's module with the paper's exact reduction."""

from timm.layers import SEModule
from torch import Tensor
from torch.nn import functional as F

from ean_search.attention.base import Attention


class SE(SEModule, Attention):
    """Scale channels by a gate of their means.

    timm rounds the inner width up to a multiple of 8; the published counts do not.

    Training computes the convolutions of single pixels as the matrix products that they are: on a
    CPU in half the time. Evaluation does not: a product's rounding depends on how many images there
    are, and a cohort's branches side by side must give what single passes give.
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
