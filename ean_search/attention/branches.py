"""How layer attention is added to a block's output: on maps after a norm, on tokens before one."""

import torch
from timm.layers import DropPath
from torch import Tensor, nn

from ean_search.attention.layout import TOKENS, from_map, to_map
from ean_search.utils.errors import UserError


class MapBranch(nn.Module):
    """x + drop_path(activation(norm(y))): the convolutional networks' way."""

    def __init__(self, channels: int, drop_path: float, activation: bool = False):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.activation = nn.ReLU() if activation else nn.Identity()
        self.drop_path = DropPath(drop_path)

    def open(self, *inputs: Tensor) -> tuple[tuple[Tensor, ...], None]:
        """Return the maps to attend on."""
        return inputs, None

    def close(self, x: Tensor, y: Tensor, _: None) -> Tensor:
        """Add what was attended to."""
        return x + self.drop_path(self.activation(self.norm(y)))


class TokenBranch(nn.Module):
    """x + y of norm(x): DeiT's way, in which the class token is only given its own norm.

    `cls_mode` says whether it is: `add` as published, `skip` leaves it alone.
    """

    def __init__(self, channels: int, prefix: int, cls_mode: str, norms: int):
        super().__init__()
        if cls_mode not in ("add", "skip"):
            raise UserError(f"expected cls_mode add or skip, got {cls_mode!r}")
        self.norms = nn.ModuleList(nn.LayerNorm(channels, eps=1e-6) for _ in range(norms))
        self.prefix = prefix
        self.adds_class = cls_mode == "add"

    def open(self, *inputs: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return the maps to attend on, and what the class token is given."""
        normed = [norm(x) for norm, x in zip(self.norms, inputs, strict=True)]
        pairs = [to_map(x, TOKENS, self.prefix) for x in normed]
        apart = pairs[0][1]
        return tuple(x for x, _ in pairs), apart if self.adds_class else torch.zeros_like(apart)

    def close(self, x: Tensor, y: Tensor, apart: Tensor) -> Tensor:
        """Add what was attended to."""
        return x + from_map(y, TOKENS, apart)
