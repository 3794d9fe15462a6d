"""How a stateful attention hands its state from one site to the next.

The state lives in a `Carry`, a module of its own: a replica of the network (DataParallel, a deep
copy) gets a replica of the carry. The first attached site of a chain starts from no state,
whatever an earlier pass may have left, and the last one clears it, so nothing outlives a pass.
"""

from typing import Any

from torch import Tensor, nn


class Carry(nn.Module):
    """The state between two sites of one chain."""

    state: Any = None

    def __deepcopy__(self, memo: dict) -> "Carry":
        return memo.setdefault(id(self), Carry())


class Chained(nn.Module):
    """One site's place in a chain of a stateful attention."""

    def __init__(self, attention: nn.Module, carry: Carry):
        super().__init__()
        self.attention = attention
        self.carry = carry
        self.first = self.last = True

    def forward(self, x: Tensor) -> Tensor:
        y, state = self.attention(x, None if self.first else self.carry.state)
        self.carry.state = None if self.last else state
        return y


def link(chain: list[Chained]) -> None:
    """Mark the first and the last of the attached sites, given in network order."""
    for chained in chain:
        chained.first = chained is chain[0]
        chained.last = chained is chain[-1]
