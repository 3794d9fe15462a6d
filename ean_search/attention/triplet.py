"""Triplet attention (WACV 2021): gates on three planes of a map, each without one of its axes."""

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.attention.gate_norm import GateNorm
from ean_search.utils.errors import UserError

AXES = (1, 2, 3)  # channels, height and width of a map: each plane leaves one of them out


class PlaneGate(nn.Module):
    """Turns the scores of a plane into gates."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = GateNorm(1)
        self.gate = nn.Sigmoid()

    def forward(self, scores: Tensor) -> Tensor:
        gates: Tensor = self.gate(self.norm(scores))
        return gates


class Triplet(Attention):
    """Scale elements by the mean of three gates: of positions, of rows and of columns.

    Each gate is a convolution over a plane, such as channels by width, of the maximum and the mean
    along the axis that the plane leaves out.

    Args:
        channels: Channels of the map; the module is the same for all numbers.
        kernel: Height and width of the convolutions, an odd number.
    """

    shared = ("scores",)  # statistics differ from site to site, so norms do, too

    def __init__(self, channels: int, kernel: int = 7):
        super().__init__()
        if kernel % 2 == 0:
            raise UserError(f"triplet: expected an odd kernel, got {kernel}")
        self.scores = nn.ModuleList(
            nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False) for _ in AXES
        )
        self.planes = nn.ModuleList(PlaneGate() for _ in AXES)

    def forward(self, x: Tensor) -> Tensor:
        gates = [self._gate(x, axis) for axis in AXES]
        return x * (gates[0] + gates[1] + gates[2]) / 3

    def _gate(self, x: Tensor, axis: int) -> Tensor:
        """Return the gates of the plane without an axis, along which their size is 1."""
        pooled = torch.stack([x.amax(axis), x.mean(axis)], dim=1)
        gates: Tensor = self.planes[axis - 1](self.scores[axis - 1](pooled))
        return gates.squeeze(1).unsqueeze(axis)
