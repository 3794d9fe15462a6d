"""Spatial group-wise enhance (arXiv 1905.09646).

Every group of channels scales its positions by their similarity to the group's mean.
"""

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.utils.errors import UserError


class SGE(Attention):
    """Scale positions, group by group, by their similarity to the group's mean.

    Args:
        channels: Channels of the map, a multiple of `groups`.
        groups: The number of groups of channels.
    """

    def __init__(self, channels: int, groups: int = 64):
        super().__init__()
        if channels % groups:
            raise UserError(f"sge: {groups} groups do not divide {channels} channels")
        self.groups = groups
        self.weight = nn.Parameter(torch.zeros(1, groups, 1, 1))
        self.bias = nn.Parameter(torch.ones(1, groups, 1, 1))
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        mean = x.mean((2, 3), keepdim=True)
        similarity = (x * mean).view(batch, self.groups, -1, height, width).sum(2)
        similarity = self._normalise(similarity) * self.weight + self.bias
        gate = self.gate(similarity).unsqueeze(2)  # (batch, groups, 1, height, width)
        return (x.view(batch, self.groups, -1, height, width) * gate).view_as(x)

    def _normalise(self, similarity: Tensor) -> Tensor:
        centred = similarity - similarity.mean((2, 3), keepdim=True)
        if similarity.shape[2] * similarity.shape[3] == 1:
            return centred  # the unbiased deviation of one position would be NaN
        return centred / (similarity.std((2, 3), keepdim=True) + 1e-5)
