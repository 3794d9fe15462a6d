"""Style-based recalibration (SRM, arXiv 1903.10829): a channel gate of means and deviations."""

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.attention.gate_norm import GateNorm


class SRM(Attention):
    """Scale channels by a gate that sees each channel's own mean and standard deviation.

    Args:
        channels: Channels of the map.
    """

    shared = ("style",)  # statistics differ from site to site, so norms do, too

    def __init__(self, channels: int):
        super().__init__()
        self.style = nn.Conv1d(channels, channels, 2, groups=channels, bias=False)
        self.norm = GateNorm(channels)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        unbiased = min(1, x.shape[2] * x.shape[3] - 1)  # the deviation of one position is 0
        variance, mean = torch.var_mean(x, (2, 3), correction=unbiased)
        style = torch.stack([mean, (variance + 1e-5).sqrt()], dim=2)  # (batch, channels, 2)
        return x * self.gate(self.norm(self.style(style).unsqueeze(3)))
