"""MRLA-light (arXiv 2302.03985): a layer attends to all layers before it by a recurrence.

One gate per head weighs the layer's own value; the block's shortcut, weighed channel by channel,
stands for the earlier layers. So there is no state, and no site depends on another one.
"""

import torch
from torch import Tensor, nn

from ean_search.attention.mrla_common import LayerAttention, by_head, scaled_products


class MRLALight(LayerAttention):
    """Add a layer's gated value and its weighed shortcut to the block's output."""

    name = "mrla_light"
    head_sizes = (32, 16)
    attended_inputs = 2
    value_activation = True
    decay: nn.Parameter  # of the shortcut, (c,)

    def _complete(self, channels: int) -> None:
        self.decay = nn.Parameter(torch.randn(channels))

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
