"""Key-only attention: a token mixer without products of queries and keys.

A reconstruction from the description in arXiv 2207.00188, whose formulas are not public: one
saliency per head and position, a softmax of it over positions, and one global vector per head. Time
and memory are linear in the number of positions.
"""

from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.utils.errors import UserError


class KeyOnly(Attention):
    """Mix positions: a global mean weighted by saliency and a local convolution, gated by the keys.

    Args:
        channels: Channels of the map, a multiple of the number of heads.
        head_size: Channels per head, where the number of heads is not given.
        heads: The number of heads; None: as many as `head_size` gives, at least one.
    """

    positions = ("mixer",)

    def __init__(self, channels: int, head_size: int = 32, heads: int | None = None):
        super().__init__()
        self.heads = heads or max(1, channels // head_size)
        if channels % self.heads:
            raise UserError(f"key_only: {self.heads} heads do not divide {channels} channels")
        self.key = nn.Conv2d(channels, channels, 1, bias=False)
        self.value = nn.Conv2d(channels, channels, 1, bias=False)
        self.saliency = nn.Conv2d(channels, self.heads, 1, groups=self.heads, bias=False)
        self.local = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.out = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        key, value = self.key(x), self.value(x)
        weights = self.saliency(key).flatten(2).softmax(-1).unsqueeze(-1)  # (b, heads, n, 1)
        mean = value.unflatten(1, (self.heads, -1)).flatten(3) @ weights  # (b, heads, size, 1)
        global_mean = mean.flatten(1)[..., None, None]  # (b, c, 1, 1)
        return self.out((global_mean + self.local(value)) * key.sigmoid())
