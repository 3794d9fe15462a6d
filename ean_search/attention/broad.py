"""Broad attention (BViT, arXiv 2202.06268): one attention over the features of many layers.

Queries, keys and values of the connected layers are joined on the feature axis of each head. The
product of the joined queries and keys is the sum of the layers' own products, so the state is that
sum and the values; neither queries nor keys are kept. Broad attention has no parameters. Attaching
it to a site connects the site's layer; the result is added after the last block of the stage. Where
layers attend within windows, layers with the same windows are connected, which is our
reconstruction.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d

from ean_search.attention.base import Attention, AttentionSite
from ean_search.attention.windows import Partition, Windows
from ean_search.utils.errors import UserError

State = tuple[Tensor, tuple[Tensor, ...]]  # logits (b, heads, n, n); values (b, heads, n, size)


class Broad(Attention):
    """Collect the logits and values of the connected layers; add their attention to the stage.

    Args:
        heads: The number of heads of the layers' self-attention.
        gamma: The factor of the broad attention where it is added.
        scale: `layer`: logits are divided by the root of one layer's head size, as in the published
            code; `joint`: by the root of the joined head size.
        partition: The windows within which the layers attend; empty: they attend to all positions.
    """

    positions = ("qkv",)
    stateful = True
    chain = "broad"
    finishes_stage = True
    takes_tokens = True

    def __init__(
        self,
        heads: int,
        gamma: float = 0.4,
        scale: str = "layer",
        partition: Partition | tuple[()] = (),
    ):
        super().__init__()
        if scale not in ("layer", "joint"):
            raise UserError(f"expected scale layer or joint, got {scale!r}")
        self.heads = heads
        self.gamma = gamma
        self.windows = Windows(partition) if partition else None
        self.joint = scale == "joint"

    @classmethod
    def from_site(cls, site: AttentionSite, **options: Any) -> "Broad":
        """Build the attention for the joint projection of a layer.

        Raises:
            UserError: If the projection has no equal parts for queries, keys and values.
        """
        if site.channels % (3 * site.heads):
            raise UserError(
                f"broad: a projection to {site.channels} channels has no equal parts for queries, "
                f"keys and values of {site.heads} heads"
            )
        return cls(site.heads, partition=site.partition, **options)

    def forward(self, qkv: Tensor, state: State | None) -> tuple[Tensor, State]:
        parts = qkv.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        logits = query @ key.transpose(-1, -2)
        value = value.contiguous()  # a copy, so that queries and keys are not kept with it
        if state is None:
            return qkv, (logits, (value,))
        if state[0].shape[-1] != logits.shape[-1]:
            raise UserError(
                "broad: the layers of a stage attend to different numbers of positions, "
                f"{state[0].shape[-1]} and {logits.shape[-1]}: they cannot be connected"
            )
        return qkv, (state[0] + logits, (*state[1], value))

    def finish(self, x: Tensor, state: State) -> Tensor:
        """Add the broad attention to the output of a stage: tokens, or a map of all of them.

        Raises:
            UserError: If the output has other positions or channels than the layers' values.
        """
        joined = self.joined(state)
        if self.windows is not None:
            return x + self.gamma * self.windows.to_map(joined)
        tokens = x.flatten(2).transpose(1, 2) if x.dim() == 4 else x
        if tokens.dim() == 3 and tokens.shape[1:] != joined.shape[1:]:
            raise UserError(
                f"broad: the layers' values, {joined.shape[1]} positions with {joined.shape[2]} "
                f"channels, do not fit their stage's output of shape {tuple(x.shape)}"
            )
        if x.dim() == 4:
            joined = joined.transpose(1, 2).unflatten(2, x.shape[2:])
        return x + self.gamma * joined

    def joined(self, state: State) -> Tensor:
        """Attend over all connected layers at once: (b, n, features of one layer)."""
        logits, values = state
        size = values[0].shape[-1]
        logits = logits / (size * len(values) if self.joint else size) ** 0.5
        weights = (self.windows.mask_logits(logits) if self.windows else logits).softmax(-1)
        # Per head the layers' features lie side by side: (b, n, heads, layers * size).
        joined = torch.cat([weights @ value for value in values], dim=-1).transpose(1, 2)
        return adaptive_avg_pool1d(joined.flatten(2), self.heads * size)
