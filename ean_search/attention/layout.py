"""Maps as attention wants them, whatever the backbone's layout: channels first, on a grid.

Backbones pass maps as (batch, channels, height, width), with the channels last, or as tokens, of
which the first may stand for no position (a class token).
"""

import torch
from torch import Tensor, nn

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


class Adapted(nn.Module):
    """An attention that was written for maps with channels first, at a site that differs.

    It takes the site's first so many maps; what follows a site's maps is a state.
    """

    def __init__(self, attention: nn.Module, layout: str, prefix: int, takes: int, maps: int):
        super().__init__()
        self.attention = attention
        self.layout = layout
        self.prefix = prefix
        self.takes = takes  # maps that the attention takes
        self.maps = maps  # maps that the site gives
        self.stateful = getattr(attention, "stateful", False)

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, object]:
        pairs = [to_map(x, self.layout, self.prefix) for x in inputs[: self.takes]]
        out = self.attention(*(x for x, _ in pairs), *inputs[self.maps :])
        apart = pairs[0][1]
        if self.stateful:
            return from_map(out[0], self.layout, apart), out[1]
        return from_map(out, self.layout, apart)
