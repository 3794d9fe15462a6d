"""Maps as attention wants them, whatever the backbone's layout: channels first, on a grid.

Backbones pass maps as (batch, channels, height, width), with the channels last, or as tokens, of
which the first may stand for no position (a class token).
"""

from typing import Any

import torch
from torch import Tensor

from ean_search.attention.base import Attention

CHANNELS_FIRST, CHANNELS_LAST, TOKENS = "nchw", "nhwc", "tokens"


def to_map(x: Tensor, layout: str, prefix: int = 0) -> tuple[Tensor, Tensor | None]:
    """Return a map with channels first, and the tokens that are not on it."""
    if layout == CHANNELS_FIRST:
        return x, None
    if layout == CHANNELS_LAST:
        return x.permute(0, 3, 1, 2), None
    apart, tokens = x[:, :prefix], x[:, prefix:]
    side = int(tokens.shape[1] ** 0.5)
    return tokens.transpose(1, 2).unflatten(2, (side, side)), apart


def from_map(y: Tensor, layout: str, apart: Tensor | None) -> Tensor:
    """Return a map to a backbone's layout."""
    if layout == CHANNELS_FIRST:
        return y
    if layout == CHANNELS_LAST:
        return y.permute(0, 2, 3, 1)
    return torch.cat([apart, y.flatten(2).transpose(1, 2)], dim=1)


class LayoutAdapter(Attention):
    """An attention that was written for maps with channels first, at a site that differs.

    It passes on as many of the site's maps as the attention takes, and the state that follows them.
    """

    def __init__(self, attention: Attention, layout: str, prefix: int, num_maps: int):
        super().__init__()
        self.attention = attention
        self.layout = layout
        self.prefix = prefix
        self.num_maps = num_maps  # that the site gives
        self.stateful = attention.stateful
        self.writes_only = attention.writes_only
        self.finishes_stage = attention.finishes_stage

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, object]:
        pairs = [to_map(x, self.layout, self.prefix) for x in inputs[: self.attention.num_inputs]]
        out = self.attention(*(x for x, _ in pairs), *inputs[self.num_maps :])
        apart = pairs[0][1]
        if self.stateful:
            return from_map(out[0], self.layout, apart), out[1]
        return from_map(out, self.layout, apart)

    def finish(self, x: Tensor, state: Any) -> Tensor:
        """Let the attention add the last state of a chain, on its own layout."""
        x_map, apart = to_map(x, self.layout, self.prefix)
        return from_map(self.attention.finish(x_map, state), self.layout, apart)
