"""Attention as structural re-parameterisation (ASR, ECCV 2024): a gate that sees a learnt vector.

The gate does not depend on the image. After training it is a constant for each channel, which goes
into the norm before it: attention that costs nothing at inference.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.attention.state import StateHolder
from ean_search.utils.errors import UserError

START = 0.1  # of the learnt vector


class ASR(Attention):
    """Scale channels by the gate that another attention computes from a learnt vector.

    Args:
        channels: Channels of the map.
        gate: The name of an attention that has one gate, with one factor a channel, such as se.
        options: The options of that attention.
    """

    positions = ("residual",)

    def __init__(self, channels: int, gate: str = "se", **options: Any):
        super().__init__()
        self.psi = nn.Parameter(torch.full((1, channels, 1, 1), START))
        self.gate = _FactorsOf(gate, channels, options)
        with torch.no_grad():
            maps = self.psi, self.psi.expand(-1, -1, 2, 3)
            counts = {self.gate(x).numel() for x in maps}
        if counts != {channels}:  # gates of positions have more of them on a larger map
            raise _no_channel_gate(gate)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.psi)

    def constant_factor(self) -> Tensor:
        with torch.no_grad():
            factors: Tensor = self.gate(self.psi)
        return factors.flatten()


class _FactorsOf(nn.Module):
    """Computes the factors of an attention's gate, in place of its product with the map."""

    def __init__(self, name: str, channels: int, options: dict[str, Any]):
        from ean_search.attention.registry import make_attention  # which knows this module, too

        super().__init__()
        self.attention = make_attention(name, channels, **options)
        modules: list[Any] = list(self.attention.modules())
        owners = [m for m in modules if isinstance(getattr(m, "gate", None), nn.Module)]
        if len(owners) != 1 or self.attention.stateful or self.attention.num_inputs > 1:
            raise _no_channel_gate(name)
        self.holder = StateHolder()
        owners[0].gate = _Kept(owners[0].gate, self.holder)

    def forward(self, x: Tensor) -> Tensor:
        self.attention(x)
        factors: Tensor = self.holder.take()
        return factors.reshape(len(x), -1, 1, 1)


class _Kept(nn.Module):
    """A gate that also leaves its factors with a holder."""

    def __init__(self, gate: nn.Module, holder: StateHolder):
        super().__init__()
        self.inner = gate
        self.holder = holder

    def forward(self, x: Tensor) -> Tensor:
        factors: Tensor = self.inner(x)
        self.holder.put(factors)
        return factors


def _no_channel_gate(name: str) -> UserError:
    return UserError(
        f"asr: {name} has no single gate with one factor a channel; expected se, eca, spa, ..."
    )
