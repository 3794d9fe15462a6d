"""How a stateful attention hands its state from one site to the next.

Within a pass the state lies in a `StateHolder`, a module of its own: a copy of the network gets a
copy of the holder, and threads that share a network have an entry each. The first attached site of
a chain starts without a state, whatever a failed pass may have left; the last one leaves none.
Tracers (`torch.compile`, `torch.export`, `torch.fx`) see a plain value that goes from site to site.
"""

import threading
from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention


class StateHolder(nn.Module):
    """What is on its way between two modules of one network, in one pass."""

    def __init__(self):
        super().__init__()
        self.states: dict[int, Any] = {}

    def put(self, state: Any) -> None:
        """Leave a state for the next module."""
        self.states[_thread()] = state

    def take(self) -> Any:
        """Take the state and leave none."""
        return self.states.pop(_thread())

    def __deepcopy__(self, memo: dict) -> "StateHolder":
        return memo.setdefault(id(self), StateHolder())


class ChainedAttention(nn.Module):
    """One site's place in a chain of a stateful attention."""

    def __init__(self, attention: Attention, holder: StateHolder):
        super().__init__()
        self.attention = attention
        self.holder = holder
        self.first = self.last = True
        self.idle = False  # it would leave a state that nobody reads, and do nothing else

    def forward(self, *inputs: Tensor) -> Tensor:
        if self.idle:
            return inputs[0]
        y, state = self.attention(*inputs, None if self.first else self.holder.take())
        if not self.last:
            self.holder.put(state)
        return y


class ChainEnd(nn.Module):
    """The end of a chain whose state itself becomes a part of the output."""

    def __init__(self, attention: Attention, holder: StateHolder):
        super().__init__()
        self.attention = attention
        self.holder = holder
        self.reached = False  # by a state; if not, this is the identity

    def forward(self, x: Tensor) -> Tensor:
        return self.attention.finish(x, self.holder.take()) if self.reached else x


def link(chain: list[ChainedAttention], finish: ChainEnd | None) -> None:
    """Tell the attached sites of a chain, in network order, which is first and which is last."""
    for chained in chain:
        chained.idle = False
    while chain and chain[-1].attention.writes_only:
        chain.pop().idle = True
    for chained in chain:
        chained.first = chained is chain[0]
        chained.last = chained is chain[-1] and finish is None
    if finish is not None:
        finish.reached = bool(chain)


def _thread() -> int:
    # Compilers follow one pass only, and cannot follow the question.
    return 0 if torch.compiler.is_compiling() else threading.get_ident()
