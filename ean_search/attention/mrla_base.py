"""MRLA-base (arXiv 2302.03985): a layer attends to every attached layer before it in its stage.

The state holds all keys and values so far. It is as large as the layers themselves, and the cost of
a site grows with the number of attached sites before it.
"""

import torch
from torch import Tensor

from ean_search.attention.branches import MapBranch, NoBranch
from ean_search.attention.mrla_common import LayerAttention, by_head, scaled_products

State = tuple[Tensor, Tensor]  # keys (b, t, heads, size), values (b, t, heads, size, h, w)


class MRLABase(LayerAttention):
    """Add a weighted sum of this layer's and earlier layers' values to the block's output."""

    name = chain = "mrla_base"
    stateful = True
    head_sizes = (16, 16)
    attended_inputs = 1
    branch_activation = True

    def forward(self, x: Tensor, _: Tensor, state: State | None) -> tuple[Tensor, State]:
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

    def _complete(self, channels: int) -> None:
        if isinstance(self.branch, MapBranch):
            self.branch = NoBranch()

    def forward(self, x: Tensor, _: Tensor, state: State | None) -> tuple[Tensor, State]:
        (x_map,), _class_token = self.branch.prepare(x)
        _, key, value = self.projections(x_map)
        return x, self._append(key, value, state)
