"""Time networks and attentions of a space against each other."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention.state import ChainedAttention
from ean_search.costs.stopwatch import time_interleaved, time_rounds
from ean_search.costs.table import CostTable
from ean_search.costs.timing_quality import Times
from ean_search.networks.builder import slots


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
    networks: Mapping[str, nn.Module], table: CostTable, device: str = "cpu", rounds: int = 20
) -> dict[str, Times]:
    """Time networks as `measure_latency` does, and return the times of every round."""
    shape = (table.batch_size, table.channels, table.image_size, table.image_size)
    images = torch.randn(shape, device=device)
    forwards = {
        name: _forward(network.to(device).eval(), images) for name, network in networks.items()
    }
    return time_rounds(forwards, rounds=rounds, device=device)


class AttentionAlone(nn.Module):
    """An attention outside its network, with the state that earlier sites of its chain left."""

    def __init__(self, module: nn.Module, state: Any = None):
        super().__init__()
        self.module = module
        self.state = state

    def forward(self, *inputs: Tensor) -> Any:
        if not isinstance(self.module, ChainedAttention):
            return self.module(*inputs)
        attention = self.module.attention
        y, state = attention(*inputs, self.state)
        if attention.finishes_stage:
            return attention.finish(y.new_zeros(()), state)  # zero in place of the stage's output
        # Return the state as well: a tracer leaves out what is not a part of the output.
        return y, state


def time_attachments(
    network: nn.Module, batch_size: int, device: str, rounds: int
) -> list[list[float]]:
    """Return the milliseconds of each choice at each site; equal maps are timed once."""
    forwards: dict[str, Callable[[], object]] = {}
    names = []
    for slot in slots(network):
        site = slot.site
        plain = nn.Identity() if slot.original is None else slot.original
        modules = [plain, *map(AttentionAlone, slot.attentions)]
        row = [f"{k} {site.channels} {site.height} {site.width}" for k in range(len(modules))]
        for name, module in zip(row, modules, strict=True):
            inputs = site.example_inputs(batch_size, device)
            forwards.setdefault(name, _forward(module, *inputs[:1] if module is plain else inputs))
        names.append(row)
    times = time_interleaved(forwards, rounds=rounds, device=device)
    return [[times[name] - times[row[0]] for name in row[1:]] for row in names]


def _forward(module: nn.Module, *inputs: Tensor) -> Callable[[], object]:
    return lambda: module(*inputs)
