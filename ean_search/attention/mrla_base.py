"""MRLA-base (arXiv 2302.03985): a layer attends to every attached layer before it in its stage.

The state holds the keys and values so far; it is as large as the layers themselves, and what a site
costs grows with the number of sites before it.
"""

from typing import Any

import torch
from torch import Tensor

from ean_search.attention.base import Attention, AttentionSite
from ean_search.attention.branches import MapBranch, TokenBranch
from ean_search.attention.mrla_common import Projections, by_head, count_heads, likeness

State = tuple[Tensor, Tensor]  # keys (b, t, heads, size), values (b, t, heads, size, h, w)


class MRLABase(Attention):
    """Add a mixture of this layer's and earlier layers' values to the block's output."""

    positions = ("block",)
    num_inputs = 2  # the block's output and its shortcut, which this form does not need
    stateful = True
    chain = "mrla_base"
    takes_tokens = True
    shared = ("projections",)  # what sites of a group have in common

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
        self.branch = (
            TokenBranch(channels, prefix, cls_mode, norms=1)
            if tokens
            else MapBranch(channels, drop_path, activation=True)
        )

    @classmethod
    def from_site(cls, site: AttentionSite, **options: Any) -> "MRLABase":
        """Build one for a site: DeiT's form on tokens."""
        if site.layout == "tokens":
            return cls(site.channels, tokens=True, prefix=site.prefix, **options)
        return cls(site.channels, **options)

    def forward(self, x: Tensor, _: Tensor, state: State | None) -> tuple[Tensor, State]:
        (x_map,), apart = self.branch.open(x)
        y, state = self.attend(x_map, state)
        return self.branch.close(x, y, apart), state

    def attend(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Attend on a map and on what earlier ones left."""
        query, key, value = self.projections(x)
        keys, values = self._append(key, value, state)
        weights = likeness(by_head(query, self.heads), keys).softmax(-1)
        return torch.einsum("bht,bthdyx->bhdyx", weights, values).flatten(1, 2), (keys, values)

    def _append(self, key: Tensor, value: Tensor, state: State | None) -> State:
        new = tuple(by_head(x, self.heads).unsqueeze(1) for x in (key, value))
        if state is None:
            return new
        return tuple(torch.cat(pair, dim=1) for pair in zip(state, new, strict=True))


class MRLAWrite(MRLABase):
    """Leave a key and a value for later sites, and the map as it is."""

    writes_only = True

    def __init__(self, channels: int, **options):
        super().__init__(channels, **options)
        if isinstance(self.branch, MapBranch):
            self.branch = None  # it has nothing to add

    def forward(self, x: Tensor, _: Tensor, state: State | None) -> tuple[Tensor, State]:
        (x_map,), _ = self.branch.open(x) if self.branch else ((x,), None)
        _, key, value = self.projections(x_map)
        return x, self._append(key, value, state)
