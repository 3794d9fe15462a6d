"""Spatial pyramid attention (SPANet, ICME 2020): a channel gate that sees a coarse grid."""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ean_search.attention.base import Attention


class SPA(Attention):
    """Scale channels by a gate of their means over the whole map, its quarters and sixteenths.

    Args:
        channels: Channels of the map.
        reduction: Channels of the map for each unit of the inner layer.
    """

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__()
        self.squeeze = nn.Linear(21 * channels, channels // reduction, bias=False)
        self.excite = nn.Linear(channels // reduction, channels, bias=False)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        pyramid = torch.cat([adaptive_avg_pool2d(x, size).flatten(1) for size in (1, 2, 4)], dim=1)
        gate = self.gate(self.excite(self.squeeze(pyramid).relu()))
        return x * gate[:, :, None, None]
