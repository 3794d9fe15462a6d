"""Parts of both forms of multi-head recurrent layer attention (MRLA, arXiv 2302.03985).

A layer's query and key are its channel means, mixed by short convolutions; its value is a depthwise
convolution of its map. `mrla_light.py` attends to earlier layers by a recurrence, `mrla_base.py` to
each of them.
"""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ean_search.attention.base import Attention, AttentionSite
from ean_search.attention.branches import Branch, MapBranch, TokenBranch
from ean_search.attention.layout import TOKENS
from ean_search.utils.errors import UserError


class LayerAttention(Attention):
    """Base class of both forms.

    Args:
        channels: Channels of the map, a multiple of the number of heads.
        head_size: Channels per head, where the number of heads is not given; None: the form's own.
        heads: The number of heads.
        drop_path: The probability that an image's branch is dropped in training; on maps only.
        tokens: It takes tokens, not maps.
        prefix: The number of class tokens; on tokens only.
        cls_mode: `add` or `skip`, see `TokenBranch`; on tokens only.

    Attributes:
        name: The name of the form, for error messages.
        head_sizes: Channels per head on maps and on tokens.
        attended_inputs: The number of inputs that are attended to; on tokens, each has a norm.
        value_activation: On tokens, a GELU follows the convolution of the value.
        branch_activation: On maps, a ReLU follows the norm of the branch.
    """

    positions = ("block",)
    num_inputs = 2  # the block's output and its shortcut
    takes_tokens = True
    shared = ("projections",)
    name: ClassVar[str]
    head_sizes: ClassVar[tuple[int, int]]
    attended_inputs: ClassVar[int]
    value_activation: ClassVar[bool] = False
    branch_activation: ClassVar[bool] = False

    def __init__(
        self,
        channels: int,
        head_size: int | None = None,
        heads: int | None = None,
        drop_path: float = 0.2,
        tokens: bool = False,
        prefix: int = 0,
        cls_mode: str = "add",
    ):
        super().__init__()
        size = self.head_sizes[tokens] if head_size is None else head_size
        self.heads = count_heads(self.name, channels, size, heads)
        self.projections = Projections(channels, self.value_activation and tokens)
        self.branch: Branch = (
            TokenBranch(channels, prefix, cls_mode, norms=self.attended_inputs)
            if tokens
            else MapBranch(channels, drop_path, self.branch_activation)
        )
        self._complete(channels)

    def _complete(self, channels: int) -> None:
        """Add what only this form has, as the constructor's last act."""

    @classmethod
    def from_site(cls, site: AttentionSite, **options: Any) -> Attention:
        """Build the attention for a site; on tokens, in the form for DeiT."""
        if site.layout == TOKENS:
            return cls(site.channels, tokens=True, prefix=site.prefix, **options)
        return cls(site.channels, **options)


class Projections(nn.Module):
    """Query, key and value of a map: (b, c), (b, c), (b, c, h, w).

    Args:
        channels: Channels of the map.
        value_activation: A GELU follows the convolution of the value.
    """

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
    """Return the number of neighbouring channels that a query mixes: odd, growing with channels."""
    t = int(abs((math.log2(channels) + 1) / 2))
    return t if t % 2 else t + 1


def count_heads(name: str, channels: int, head_size: int, heads: int | None) -> int:
    """Return the number of heads, which are contiguous groups of channels.

    Args:
        name: The name of the attention, for the error message.
        channels: Channels of the map, a multiple of the number of heads.
        head_size: Channels per head, where `heads` is None.
        heads: The number of heads that was asked for.

    Raises:
        UserError: If the channels cannot be divided so.
    """
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


def scaled_products(query: Tensor, keys: Tensor) -> Tensor:
    """Return scaled products of a query (b, h, d) with keys (b, t, h, d): (b, h, t)."""
    return torch.einsum("bhd,bthd->bht", query, keys) / query.shape[-1] ** 0.5
