"""Time networks and attentions of a space against each other."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention.own import Own
from ean_search.attention.state import ChainedAttention
from ean_search.costs.site_inputs import first_input
from ean_search.costs.stopwatch import time_interleaved, time_rounds
from ean_search.costs.table import CostTable
from ean_search.costs.timing_quality import Times
from ean_search.networks.builder import Slot, slots
from ean_search.networks.example import Example
from ean_search.networks.folding import foldable_factor


def measure_latency(
    networks: Mapping[str, nn.Module], table: CostTable, device: str = "cpu", rounds: int = 20
) -> dict[str, float]:
    """Time finished networks against each other, as the networks of the table were timed.

    Args:
        networks: The networks by name; they are moved to the device.
        table: Gives image size and batch size.
        device: Where to time.
        rounds: The number of times that each network is timed.

    Returns:
        The median of each network in milliseconds per batch.
    """
    times = time_networks(networks, table, device, rounds)
    return {name: times_of_network.median for name, times_of_network in times.items()}


def time_networks(
    networks: Mapping[str, nn.Module],
    table: CostTable,
    device: str = "cpu",
    rounds: int = 20,
    example: Example | None = None,
) -> dict[str, Times]:
    """Time networks as `measure_latency` does, and return the times of every round.

    Equal weights of the networks come to be one in memory: where copies lie makes small networks
    slower or faster by several percent. So networks that were timed must not be trained.

    Args:
        networks: As for `measure_latency`, like all that follow.
        table: Gives image size and batch size.
        device: Where to time.
        rounds: The number of times that each network is timed.
        example: What a forward pass takes in place of random images.
    """
    if example is None:
        shape = (table.batch_size, table.channels, table.image_size, table.image_size)
        example = Example.of(torch.randn(shape, device=device))
    networks = {name: network.to(device).eval() for name, network in networks.items()}
    _share_equal_weights(networks.values())
    forwards = {name: _forward(network, example) for name, network in networks.items()}
    return time_rounds(forwards, rounds=rounds, device=device)


def _share_equal_weights(networks: Iterable[nn.Module]) -> None:
    """Let weights of the same name and value be the same memory."""
    first: dict[str, Tensor] = {}
    for network in networks:
        for name, tensor in chain(network.named_parameters(), network.named_buffers()):
            known = first.setdefault(name, tensor)
            if known.shape == tensor.shape and torch.equal(known, tensor):
                tensor.data = known.data


class AttentionAlone(nn.Module):
    """An attention outside its network, with the state that earlier sites of its chain left."""

    def __init__(self, module: nn.Module, state: Any = None):
        super().__init__()
        self.module = module
        self.state = state

    def forward(self, *inputs: Any, **named: Any) -> Any:
        if not isinstance(self.module, ChainedAttention):
            return self.module(*inputs, **named)
        attention = self.module.attention
        y, state = attention(*inputs, self.state)
        if attention.finishes_stage:
            return attention.finish(y.new_zeros(()), state)  # zero in place of the stage's output
        # Return the state as well: a tracer leaves out what is not a part of the output.
        return y, state


def time_attachments(
    network: nn.Module, inputs: Sequence[Example], device: str, rounds: int
) -> list[list[float]]:
    """Return the milliseconds of each choice at each site; equal maps are timed once.

    Args:
        network: A network with slots, on the device.
        inputs: What each site gets.
        device: Where to time.
        rounds: The number of times that each choice is timed.
    """
    forwards: dict[str, Callable[[], object]] = {}
    names = []
    for slot, given in zip(slots(network), inputs, strict=True):
        plain = nn.Identity() if slot.original is None else slot.original
        modules = [plain, *map(AttentionAlone, slot.attentions)]
        row = [f"{k} {_describe(slot)}" for k in range(len(modules))]
        for k, attention in enumerate(slot.attentions, 1):
            if foldable_factor(network, slot, attention) is not None:
                row[k] = row[0]  # it will be in a norm, and takes no time
        for name, module in zip(row, modules, strict=True):
            used = first_input(given) if module is plain else given
            forwards.setdefault(name, _forward(module, used))
        names.append(row)
    times = time_interleaved(forwards, rounds=rounds, device=device)
    return [[times[name] - times[row[0]] for name in row[1:]] for row in names]


def _describe(slot: Slot) -> str:
    """Describe what is timed at a site; of what the backbone has itself, no two are taken alike."""
    site = slot.site
    has_own = any(isinstance(attention, Own) for attention in slot.attentions)
    number = f" site {site.number}" if has_own else ""
    return f"{site.channels} {site.height} {site.width}{number}"


def _forward(module: nn.Module, example: Example) -> Callable[[], object]:
    return lambda: example.run(module)
