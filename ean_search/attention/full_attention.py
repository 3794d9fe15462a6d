"""Ordinary multi-head self-attention as a token mixer on maps: the baseline of token mixers."""

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ean_search.attention.base import Attention
from ean_search.utils.errors import UserError


class FullAttention(Attention):
    """Mix positions by products of queries and keys; the cost is quadratic in their number.

    Args:
        channels: Channels of the map, a multiple of `head_size`.
        head_size: Channels per head.
    """

    positions = ("mixer",)

    def __init__(self, channels: int, head_size: int = 32):
        super().__init__()
        if channels % head_size:
            raise UserError(
                f"full: heads of {head_size} channels do not divide {channels} channels"
            )
        self.head_size = head_size
        self.scale = head_size**-0.5
        self.fused_attn = True  # timm's name; a FLOP counter switches it off to see the products
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # (b, 3, heads, n, size)
        qkv = self.qkv(x).flatten(2).unflatten(1, (3, -1, self.head_size)).transpose(-1, -2)
        query, key, value = qkv.unbind(1)
        if self.fused_attn:
            y = scaled_dot_product_attention(query, key, value)
        else:
            y = (query @ key.transpose(-1, -2) * self.scale).softmax(-1) @ value
        return self.out(y.transpose(-1, -2).flatten(1, 2).view_as(x))
