"""How evaluation computes: with how many bits, and in which order maps lie in memory."""

from contextlib import AbstractContextManager
from typing import Literal

import torch
from torch import nn

from ean_search.utils.config import FrozenConfig


class Precision(FrozenConfig):
    """Precision and memory layout of evaluation.

    With fewer than 32 bits a few predictions change, so that is off by default.
    """

    precision: Literal["float32", "bfloat16", "float16"] = "float32"  # of convolutions, products
    channels_last: bool = False

    def prepare(self, network: nn.Module, device: str) -> nn.Module:
        """Move a network to a device, in this memory layout and in evaluation mode."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return network.to(device).to(memory_format=layout).eval()

    def autocast(self, device: str) -> AbstractContextManager[None]:
        """Compute in this precision in the block; weights are converted once for all of it."""
        reduced = self.precision != "float32"
        dtype = getattr(torch, self.precision) if reduced else None
        return torch.autocast(torch.device(device).type, dtype, enabled=reduced)


FULL_PRECISION = Precision()
