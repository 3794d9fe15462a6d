"""What both forms of multi-head recurrent layer attention share (MRLA, arXiv 2302.03985).

A layer's query and key are its channel means, mixed by short convolutions; its value is a depthwise
convolution of its map. `mrla_light.py` looks back by a recurrence, `mrla_base.py` at every layer.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ean_search.utils.errors import UserError


class Projections(nn.Module):
    """Query, key and value of a map: (b, c), (b, c), (b, c, h, w)."""

    def __init__(self, channels: int, value_activation: bool = False):
        super().__init__()
        width = kernel_size(channels)
        self.query, self.key = (
            nn.Conv1d(1, 1, width, padding=(width - 1) // 2, bias=False) for _ in range(2)
        )
        self.value = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.activation = nn.GELU() if value_activation else nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = adaptive_avg_pool2d(x, 1).flatten(2).transpose(1, 2)  # (b, 1, c)
        value = self.activation(self.value(x))
        return self.query(mean).squeeze(1), self.key(mean).squeeze(1), value


def kernel_size(channels: int) -> int:
    """Return how many neighbouring channels a query mixes: odd, and growing with their number."""
    t = int(abs((math.log2(channels) + 1) / 2))
    return t if t % 2 else t + 1


def count_heads(name: str, channels: int, head_size: int, heads: int | None) -> int:
    """Return the number of heads, which are contiguous groups of channels."""
    if heads is None:
        if channels % head_size:
            raise UserError(
                f"{name}: heads of {head_size} channels do not divide {channels} channels"
            )
        return channels // head_size
    if channels % heads:
        raise UserError(f"{name}: {heads} heads do not divide {channels} channels")
    return heads


def by_head(x: Tensor, heads: int) -> Tensor:
    """Split channels into heads: (b, heads, size, ...)."""
    return x.unflatten(1, (heads, x.shape[1] // heads))


def likeness(query: Tensor, keys: Tensor) -> Tensor:
    """Return scaled products of a query (b, h, d) with keys (b, t, h, d): (b, h, t)."""
    return torch.einsum("bhd,bthd->bht", query, keys) / query.shape[-1] ** 0.5
