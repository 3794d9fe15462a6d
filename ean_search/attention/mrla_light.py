"""MRLA-light (arXiv 2302.03985): a layer attends to all layers before it by a recurrence.

One gate per head weighs the layer's own value; the block's shortcut, weighed channel by channel,
stands for the earlier layers. So there is no state, and no site depends on another one.
"""

import torch
from torch import Tensor, nn

from ean_search.attention.branches import MapBranch, TokenBranch
from ean_search.attention.mrla_common import (
    LayerAttention,
    Projections,
    by_head,
    count_heads,
    scaled_products,
)


class MRLALight(LayerAttention):
    """Add a layer's gated value and its weighed shortcut to the block's output.

    Args:
        channels: Channels of the map, a multiple of the number of heads.
        head_size: Channels per head, where the number of heads is not given.
        heads: The number of heads.
        drop_path: The probability that an image's branch is dropped in training; on maps only.
        tokens: It takes tokens, not maps.
        prefix: The number of class tokens; on tokens only.
        cls_mode: `add` or `skip`, see `TokenBranch`; on tokens only.
    """

    token_options = {"head_size": 16}

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

    def forward(self, x: Tensor, previous: Tensor) -> Tensor:
        maps, class_token = self.branch.prepare(x, previous)
        return self.branch.add(x, self.attend(*maps), class_token)

    def attend(self, x: Tensor, previous: Tensor) -> Tensor:
        """Attend to maps: gate * value + decay * previous."""
        query, key, value = self.projections(x)
        products = scaled_products(
            by_head(query, self.heads), by_head(key, self.heads).unsqueeze(1)
        )
        gate = products.sigmoid()[..., None, None]  # (b, heads, 1, 1, 1)
        own = (gate * by_head(value, self.heads)).flatten(1, 2)
        return own + self.decay[:, None, None] * previous
