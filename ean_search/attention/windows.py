"""Windows of a map, as hierarchical transformers (Swin) attend within them: shifted, and not."""

import torch
from torch import Tensor, nn

from ean_search.utils.errors import UserError

Partition = tuple[int, int, int, int, int, int]  # map, window and shift: two axes each


class Windows(nn.Module):
    """Puts windows together to the map they were cut from, and tells which positions may meet.

    A shifted partition wraps around the map's edges, where positions that are not neighbours get
    into one window.
    """

    def __init__(self, partition: Partition):
        super().__init__()
        self.map, self.window, self.shift = partition[:2], partition[2:4], partition[4:]
        if any(size % window for size, window in zip(self.map, self.window, strict=True)):
            raise UserError(f"broad: windows of {self.window} do not divide a map of {self.map}")
        regions = self._regions()[None, :, :, None]
        found = self._cut(regions).flatten(1)  # (windows, n)
        apart = found[:, :, None] != found[:, None, :]
        mask = torch.zeros(apart.shape).masked_fill(apart, -torch.inf)
        self.register_buffer("mask", mask[:, None], persistent=False)

    def join(self, windows: Tensor) -> Tensor:
        """Turn windows (b * count, n, c) into a map (b, height, width, c)."""
        (height, width), (h, w) = self.map, self.window
        rows, columns = height // h, width // w
        x = windows.view(-1, rows, columns, h, w, windows.shape[-1])
        x = x.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])
        return torch.roll(x, shifts=self.shift, dims=(1, 2))

    def masked(self, logits: Tensor) -> Tensor:
        """Keep apart what is not side by side: (b * count, heads, n, n)."""
        if not any(self.shift):
            return logits
        parts = logits.unflatten(0, (-1, len(self.mask)))
        return (parts + self.mask).flatten(0, 1)

    def _cut(self, x: Tensor) -> Tensor:
        """Turn a map into windows, the inverse of `join` but for the shift."""
        (h, w), channels = self.window, x.shape[-1]
        x = x.unflatten(2, (-1, w)).unflatten(1, (-1, h)).transpose(2, 3)
        return x.reshape(-1, h * w, channels)

    def _regions(self) -> Tensor:
        """Number the parts of a shifted map between which its edges run."""
        steps = []
        for size, window, shift in zip(self.map, self.window, self.shift, strict=True):
            place = torch.arange(size)
            steps.append(
                (place >= size - window).int() + (place >= size - shift).int() * (shift > 0)
            )
        return 3 * steps[0][:, None] + steps[1][None, :]
