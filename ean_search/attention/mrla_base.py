"""MRLA-base (arXiv 2302.03985): a layer attends to every attached layer before it in its stage.

The state holds all keys and values so far. It is as large as the layers themselves, and the cost of
a site grows with the number of attached sites before it.
"""

from typing import Any

import torch
from torch import Tensor

from ean_search.attention.branches import Branch, MapBranch, TokenBranch
from ean_search.attention.mrla_common import (
    LayerAttention,
    Projections,
    by_head,
    count_heads,
    scaled_products,
)

State = tuple[Tensor, Tensor]  # keys (b, t, heads, size), values (b, t, heads, size, h, w)


class MRLABase(LayerAttention):
    """Add a weighted sum of this layer's and earlier layers' values to the block's output.

    Args:
        channels: Channels of the map, a multiple of the number of heads.
        head_size: Channels per head, where the number of heads is not given.
        heads: The number of heads.
        drop_path: The probability that an image's branch is dropped in training; on maps only.
        tokens: It takes tokens, not maps.
        prefix: The number of class tokens; on tokens only.
        cls_mode: `add` or `skip`, see `TokenBranch`; on tokens only.
    """

    stateful = True
    chain = "mrla_base"

    def __init__(
        self,
        channels: int,
        head_size: int = 16,
        heads: int | None = None,
        drop_path: float = 0.2,
        tokens: bool = False,
        prefix: int = 0,
        cls_mode: str = "add",
    ):
        super().__init__()
        self.heads = count_heads("mrla_base", channels, head_size, heads)
        self.projections = Projections(channels)
        self.branch: Branch | None = (
            TokenBranch(channels, prefix, cls_mode, norms=1)
            if tokens
            else MapBranch(channels, drop_path, activation=True)
        )

    def forward(self, x: Tensor, _: Tensor, state: State | None) -> tuple[Tensor, State]:
        assert self.branch is not None
        (x_map,), class_token = self.branch.prepare(x)
        y, state = self.attend(x_map, state)
        return self.branch.add(x, y, class_token), state

    def attend(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Attend to a map and to the maps before it; return the mixed values and the next state."""
        query, key, value = self.projections(x)
        keys, values = self._append(key, value, state)
        weights = scaled_products(by_head(query, self.heads), keys).softmax(-1)
        return torch.einsum("bht,bthdyx->bhdyx", weights, values).flatten(1, 2), (keys, values)

    def _append(self, key: Tensor, value: Tensor, state: State | None) -> State:
        keys, values = (by_head(x, self.heads).unsqueeze(1) for x in (key, value))
        if state is None:
            return keys, values
        return torch.cat([state[0], keys], dim=1), torch.cat([state[1], values], dim=1)


class MRLAWrite(MRLABase):
    """Pass a key and a value on to later sites, and leave the map as it is."""

    writes_only = True

    def __init__(self, channels: int, **options: Any):
        super().__init__(channels, **options)
        if isinstance(self.branch, MapBranch):
            self.branch = None  # it adds nothing

    def forward(self, x: Tensor, _: Tensor, state: State | None) -> tuple[Tensor, State]:
        x_map = self.branch.prepare(x)[0][0] if self.branch else x
        _, key, value = self.projections(x_map)
        return x, self._append(key, value, state)
