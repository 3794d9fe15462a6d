"""Efficient multi-scale attention (EMA, ICASSP 2023); it has nothing to do with moving averages."""

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.utils.errors import UserError


class EMAAttention(Attention):
    """Scale positions, group by group: a fine and a coarse view of the group gate each other.

    The fine view scales rows and columns by their means; the coarse one is a 3 x 3 convolution. The
    channel means of each, as a softmax, are the weights by which the channels of the other are
    summed.

    Args:
        channels: Channels of the map, a multiple of `groups`.
        groups: The number of groups of channels; all groups use the same weights.
    """

    def __init__(self, channels: int, groups: int = 8):
        super().__init__()
        if channels % groups:
            raise UserError(f"ema_attention: {groups} groups do not divide {channels} channels")
        size = channels // groups
        self.groups = groups
        self.lines = nn.Conv2d(size, size, 1)
        self.norm = nn.GroupNorm(size, size)
        self.local = nn.Conv2d(size, size, 3, padding=1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        grouped = x.reshape(-1, x.shape[1] // self.groups, *x.shape[2:])
        fine, coarse = self._scale_lines(grouped), self.local(grouped)
        scores = _attend(fine, coarse) + _attend(coarse, fine)
        return (grouped * self.gate(scores)).reshape(x.shape)

    def _scale_lines(self, grouped: Tensor) -> Tensor:
        """Scale rows and columns by gates of their means, and normalise."""
        height, width = grouped.shape[2:]
        rows, columns = grouped.mean(3, keepdim=True), grouped.mean(2, keepdim=True)
        means = self.lines(torch.cat([rows, columns.transpose(2, 3)], dim=2)).sigmoid()
        rows, columns = means.split([height, width], dim=2)
        fine: Tensor = self.norm(grouped * rows * columns.transpose(2, 3))
        return fine


def _attend(one: Tensor, other: Tensor) -> Tensor:
    """Sum the channels of one map, weighted by the channel means of the other: (groups, 1, ...)."""
    weights = other.mean((2, 3)).softmax(1)[:, None]  # (groups, 1, channels)
    return (weights @ one.flatten(2)).unflatten(2, one.shape[2:])
