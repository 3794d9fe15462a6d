"""Dense-and-implicit attention (arXiv 1905.10671): an LSTM along the attached blocks of a stage."""

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention


class DIA(Attention):
    """Scale channels by the hidden state of an LSTM that reads one block's means after another.

    Its output gate is applied to a sigmoid of the cell, where an LSTM has a tanh: as published.
    """

    stateful = True

    def __init__(self, channels: int, reduction: int = 20):
        super().__init__()
        self.input_cell = _cell(channels, channels // reduction)
        self.hidden_cell = _cell(channels, channels // reduction)
        self.gate = nn.Identity()  # a name for the gate, so that its scale can be set

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
