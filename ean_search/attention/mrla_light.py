"""MRLA-light (arXiv 2302.03985): a layer attends to all before it by way of a recurrence.

One gate a head weighs the layer's own value; what came before is its shortcut, channel by channel.
So there is no state, and being attached or not is a site's own affair.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention, AttentionSite
from ean_search.attention.branches import MapBranch, TokenBranch
from ean_search.attention.mrla_common import Projections, by_head, count_heads, likeness


class MRLALight(Attention):
    """Add what a layer's heads and its shortcut are worth to the block's output."""

    positions = ("block",)
    num_inputs = 2  # the block's output and its shortcut
    takes_tokens = True
    shared = ("projections",)  # what sites of a group have in common

    def __init__(
        self,
        channels: int,
        head_size: int = 32,
        heads: int | None = None,
        drop_path: float = 0.2,
        tokens: bool = False,
        prefix: int = 0,
        cls_mode: str = "add",
    ):
        super().__init__()
        self.heads = count_heads("mrla_light", channels, head_size, heads)
        self.projections = Projections(channels, value_activation=tokens)
        self.decay = nn.Parameter(torch.randn(channels))
        self.branch = (
            TokenBranch(channels, prefix, cls_mode, norms=2)
            if tokens
            else MapBranch(channels, drop_path)
        )

    @classmethod
    def from_site(cls, site: AttentionSite, **options: Any) -> "MRLALight":
        """Build one for a site: DeiT's form on tokens, with heads of 16 channels."""
        if site.layout == "tokens":
            options = {"head_size": 16, **options}
            return cls(site.channels, tokens=True, prefix=site.prefix, **options)
        return cls(site.channels, **options)

    def forward(self, x: Tensor, previous: Tensor) -> Tensor:
        maps, apart = self.branch.open(x, previous)
        return self.branch.close(x, self.attend(*maps), apart)

    def attend(self, x: Tensor, previous: Tensor) -> Tensor:
        """Attend on maps: gate * value + decay * previous."""
        query, key, value = self.projections(x)
        products = likeness(by_head(query, self.heads), by_head(key, self.heads).unsqueeze(1))
        gate = products.sigmoid()[..., None, None]  # (b, heads, 1, 1, 1)
        own = (gate * by_head(value, self.heads)).flatten(1, 2)
        return own + self.decay[:, None, None] * previous
