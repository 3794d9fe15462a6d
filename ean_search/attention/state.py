"""How a stateful attention passes its state from one site to the next.

A chain is the sequence of the attached sites of a stage that pass one state on. Within a forward
pass the state lies in a `StateHolder`, a module of the network: a copy of the network gets a new
holder, and threads that share a network have an entry each. The first site of a chain starts
without a state, even if a pass that failed has left one; the last one leaves none. Tracers
(`torch.compile`, `torch.export`, `torch.fx`) see a plain value that goes from site to site.
"""

import threading
from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention


class StateHolder(nn.Module):
    """Holds a value on its way between two modules of one network, in one forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[int, Any] = {}  # by thread

    def put(self, state: Any) -> None:
        """Leave a state for the next module."""
        self.states[_thread_id()] = state

    def take(self) -> Any:
        """Take the state away and return it."""
        return self.states.pop(_thread_id())

    def __deepcopy__(self, memo: dict[int, Any]) -> "StateHolder":
        return memo.setdefault(id(self), StateHolder())


class ChainedAttention(nn.Module):
    """A stateful attention at one site of a chain.

    `link_chain` sets the attributes below for each placement.

    Args:
        attention: The attention, which other sites may share.
        holder: The holder of the chain, which its sites share.

    Attributes:
        first: The site is the first attached one of its chain: the attention gets no state.
        last: No later module takes the state: it is dropped.
        idle: The attention only writes the state, and no later site reads it: it is not run.
    """

    def __init__(self, attention: Attention, holder: StateHolder):
        super().__init__()
        self.attention = attention
        self.holder = holder
        self.first = self.last = True
        self.idle = False

    def forward(self, *inputs: Tensor) -> Tensor:
        if self.idle:
            return inputs[0]
        y, state = self.attention(*inputs, None if self.first else self.holder.take())
        if not self.last:
            self.holder.put(state)
        return y


class ChainEnd(nn.Module):
    """The end of a chain whose last state is added to the output of the stage.

    Args:
        attention: An attention of the chain; its `finish` adds the state.
        holder: The holder of the chain.

    Attributes:
        reached: A site of the chain is attached, so that there is a state; otherwise this is the
            identity. `link_chain` sets it for each placement.
    """

    def __init__(self, attention: Attention, holder: StateHolder):
        super().__init__()
        self.attention = attention
        self.holder = holder
        self.reached = False

    def forward(self, x: Tensor) -> Tensor:
        return self.attention.finish(x, self.holder.take()) if self.reached else x


def link_chain(chain: list[ChainedAttention], end: ChainEnd | None) -> None:
    """Set for the attached sites of a chain which is first, which is last and which are idle.

    Args:
        chain: The attached sites, in the order they run.
        end: The module that takes the last state, if there is one.
    """
    readers = list(chain)
    while readers and readers[-1].attention.writes_only:
        readers.pop()
    for i, chained in enumerate(chain):
        chained.idle = i >= len(readers)
        chained.first = i == 0
        chained.last = i == len(readers) - 1 and end is None
    if end is not None:
        end.reached = bool(readers)


def _thread_id() -> int:
    # Compilers follow one pass only, and cannot trace the call that asks for the thread.
    return 0 if torch.compiler.is_compiling() else threading.get_ident()
