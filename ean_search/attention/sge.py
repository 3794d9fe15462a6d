"""Spatial group-wise enhance (arXiv 1905.09646).

Every group of channels gates its positions by how much they resemble the group's mean.
"""

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.utils.errors import UserError


class SGE(Attention):
    """Scale positions, group by group, by their likeness to the group's mean."""

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
        likeness = (x * mean).view(batch, self.groups, -1, height, width).sum(2)
        likeness = self._normalised(likeness) * self.weight + self.bias
        gate = self.gate(likeness).unsqueeze(2)  # (batch, groups, 1, height, width)
        return (x.view(batch, self.groups, -1, height, width) * gate).view_as(x)

    def _normalised(self, likeness: Tensor) -> Tensor:
        centred = likeness - likeness.mean((2, 3), keepdim=True)
        if likeness.shape[2] * likeness.shape[3] == 1:
            return centred  # one position has no spread; its unbiased deviation would be NaN
        return centred / (likeness.std((2, 3), keepdim=True) + 1e-5)
