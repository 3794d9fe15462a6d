"""Frequency channel attention (FcaNet, arXiv 2012.11491): squeeze-and-excitation of frequencies."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ean_search.attention.base import Attention
from ean_search.utils.errors import UserError

SIDE = 7  # positions of the grid whose discrete cosine transform is taken, in each direction


class FCA(Attention):
    """Scale channels by a gate that is computed from one frequency of each channel.

    The channels are divided into as many groups as there are frequencies, the lowest ones of a
    7 x 7 grid. The first of them is the mean, so with one frequency this is `se` but for a factor.

    Args:
        channels: Channels of the map.
        reduction: Channels of the map for each unit of the inner layer.
        frequencies: The number of frequencies.
    """

    basis: Tensor

    def __init__(self, channels: int, reduction: int = 16, frequencies: int = 16):
        super().__init__()
        if not 1 <= frequencies <= SIDE * SIDE:
            raise UserError(f"fca: expected 1 to {SIDE * SIDE} frequencies, got {frequencies}")
        waves = torch.stack([_wave(*pair) for pair in _lowest_frequencies(frequencies)])
        # Not saved with the weights: it follows from the options.
        group = torch.arange(channels) * frequencies // channels
        self.register_buffer("basis", waves[group], persistent=False)
        inner = max(1, channels // reduction)
        self.squeeze = nn.Conv2d(channels, inner, 1, bias=False)
        self.excite = nn.Conv2d(inner, channels, 1, bias=False)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        grid = adaptive_avg_pool2d(x, SIDE) * self.basis
        components = grid.sum((2, 3), keepdim=True)
        return x * self.gate(self.excite(self.squeeze(components).relu()))


def _lowest_frequencies(count: int) -> list[tuple[int, int]]:
    """List vertical and horizontal frequencies by their sums."""
    pairs = [(u, v) for u in range(SIDE) for v in range(SIDE)]
    return sorted(pairs, key=lambda pair: (sum(pair), pair))[:count]


def _wave(vertical: int, horizontal: int) -> Tensor:
    """Return a function of the orthonormal basis of the cosine transform, (7, 7)."""
    return torch.outer(_cosine(vertical), _cosine(horizontal))


def _cosine(frequency: int) -> Tensor:
    positions = torch.arange(SIDE) + 0.5
    return torch.cos(math.pi * frequency * positions / SIDE) * math.sqrt(
        (2 if frequency else 1) / SIDE
    )
