"""Brings the maps of a backbone into the layout of attentions: channels first, on a grid.

Backbones pass maps as (batch, channels, height, width), with the channels last, or as tokens. The
first tokens may belong to no position of the map: they are prefix tokens, such as a class token.
"""

from typing import Any

import torch
from torch import Tensor

from ean_search.attention.base import Attention

CHANNELS_FIRST, CHANNELS_LAST, TOKENS = "nchw", "nhwc", "tokens"


def to_map(
    x: Tensor, layout: str, prefix: int = 0, side: int | None = None
) -> tuple[Tensor, Tensor | None]:
    """Bring a backbone's tensor into the layout of attentions.

    Args:
        x: A map of the layout, or tokens (batch, prefix + height * width, channels); the map must
            be square then.
        layout: CHANNELS_FIRST, CHANNELS_LAST or TOKENS.
        prefix: The number of prefix tokens.
        side: The side of the map of tokens; None: what their number says.

    Returns:
        The map (batch, channels, height, width), and the prefix tokens, None if x is no tokens.
    """
    if layout == CHANNELS_FIRST:
        return x, None
    if layout == CHANNELS_LAST:
        return x.permute(0, 3, 1, 2), None
    prefix_tokens, tokens = x[:, :prefix], x[:, prefix:]
    side = side or int(tokens.shape[1] ** 0.5)
    return tokens.transpose(1, 2).unflatten(2, (side, side)), prefix_tokens


def from_map(y: Tensor, layout: str, prefix_tokens: Tensor | None) -> Tensor:
    """Bring a map back into a backbone's layout.

    Args:
        y: A map (batch, channels, height, width).
        layout: CHANNELS_FIRST, CHANNELS_LAST or TOKENS.
        prefix_tokens: Tokens to put before those of the map.
    """
    if layout == CHANNELS_FIRST:
        return y
    if layout == CHANNELS_LAST:
        return y.permute(0, 2, 3, 1)
    tokens = y.flatten(2).transpose(1, 2)
    return tokens if prefix_tokens is None else torch.cat([prefix_tokens, tokens], dim=1)


class LayoutAdapter(Attention):
    """An attention for maps with channels first, at a site whose layout or inputs differ.

    It passes on as many of the site's maps as the attention takes, and the state that follows them.

    Args:
        attention: The attention.
        layout: The layout of the site.
        prefix: The number of prefix tokens at the site.
        num_maps: The number of maps that the site gives.
    """

    def __init__(self, attention: Attention, layout: str, prefix: int, num_maps: int):
        super().__init__()
        self.attention = attention
        self.layout = layout
        self.prefix = prefix
        self.num_maps = num_maps
        self.side: int | None = None  # of tokens, where a tracer must not ask for their number
        self.stateful = attention.stateful
        self.writes_only = attention.writes_only
        self.finishes_stage = attention.finishes_stage
        self.additive = attention.additive

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, object]:
        pairs = [
            to_map(x, self.layout, self.prefix, self.side)
            for x in inputs[: self.attention.num_inputs]
        ]
        out = self.attention(*(x for x, _ in pairs), *inputs[self.num_maps :])
        prefix_tokens = pairs[0][1]
        if self.stateful:
            return from_map(out[0], self.layout, prefix_tokens), out[1]
        return from_map(out, self.layout, prefix_tokens)

    def finish(self, x: Tensor, state: Any) -> Tensor:
        """Let the attention add the last state of a chain, on its own layout."""
        x_map, prefix_tokens = to_map(x, self.layout, self.prefix, self.side)
        return from_map(self.attention.finish(x_map, state), self.layout, prefix_tokens)
