"""Dense-and-implicit attention (arXiv 1905.10671): an LSTM along the attached blocks of a stage."""

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention


class DIA(Attention):
    """Scale channels by the hidden state of an LSTM that reads the channel means block by block.

    Its output gate is applied to a sigmoid of the cell, as published, where an LSTM has a tanh.

    Args:
        channels: Channels of the map.
        reduction: Channels of the map for each unit of the inner layer.
    """

    stateful = True

    def __init__(self, channels: int, reduction: int = 20):
        super().__init__()
        self.input_cell = _cell(channels, channels // reduction)
        self.hidden_cell = _cell(channels, channels // reduction)
        self.gate = nn.Identity()  # so that `unit_gate` can scale the gate

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        mean = x.mean((2, 3))  # (batch, channels)
        hidden, cell = state or (torch.zeros_like(mean), torch.zeros_like(mean))
        gates = self.input_cell(mean) + self.hidden_cell(hidden)
        enter, forget, new, out = gates.chunk(4, dim=1)
        cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
        hidden = out.sigmoid() * cell.sigmoid()
        return x * self.gate(hidden)[:, :, None, None], (hidden, cell)


def _cell(channels: int, inner: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(channels, inner), nn.ReLU(inplace=True), nn.Linear(inner, 4 * channels)
    )
