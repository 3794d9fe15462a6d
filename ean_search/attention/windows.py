"""Windows of a map, as hierarchical transformers (Swin) attend within them, shifted or not."""

import torch
from torch import Tensor, nn

from ean_search.utils.errors import UserError

# Heights and widths of the map and of a window; rows and columns by which the windows are shifted.
Partition = tuple[int, int, int, int, int, int]


class Windows(nn.Module):
    """Joins windows to the map that they were cut from, and masks pairs of positions.

    A shifted partition wraps around the map's edges, so that positions that are not neighbours get
    into one window; these must not attend to each other.
    """

    mask: Tensor

    def __init__(self, partition: Partition):
        super().__init__()
        self.map, self.window, self.shift = partition[:2], partition[2:4], partition[4:]
        if any(size % window for size, window in zip(self.map, self.window, strict=True)):
            raise UserError(f"broad: windows of {self.window} do not divide a map of {self.map}")
        regions = self._to_windows(self._regions()[None, :, :, None]).flatten(1)  # (windows, n)
        separate = regions[:, :, None] != regions[:, None, :]
        mask = torch.zeros(separate.shape).masked_fill(separate, -torch.inf)
        self.register_buffer("mask", mask[:, None], persistent=False)

    def to_map(self, windows: Tensor) -> Tensor:
        """Join windows (b * count, n, c) to a map (b, height, width, c)."""
        (height, width), (h, w) = self.map, self.window
        rows, columns = height // h, width // w
        x = windows.view(-1, rows, columns, h, w, windows.shape[-1])
        x = x.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])
        return torch.roll(x, shifts=self.shift, dims=(1, 2))

    def mask_logits(self, logits: Tensor) -> Tensor:
        """Set the logits of positions that must not attend to each other to minus infinity.

        Args:
            logits: (b * count, heads, n, n).
        """
        if not any(self.shift):
            return logits
        parts = logits.unflatten(0, (-1, self.mask.shape[0]))
        return (parts + self.mask).flatten(0, 1)

    def _to_windows(self, x: Tensor) -> Tensor:
        """Cut a map into windows: the inverse of `to_map`, except for the shift."""
        (h, w), channels = self.window, x.shape[-1]
        x = x.unflatten(2, (-1, w)).unflatten(1, (-1, h)).transpose(2, 3)
        return x.reshape(-1, h * w, channels)

    def _regions(self) -> Tensor:
        """Number the regions of a shifted map: positions of one region are neighbours."""
        steps = []
        for size, window, shift in zip(self.map, self.window, self.shift, strict=True):
            index = torch.arange(size)
            steps.append(
                (index >= size - window).int() + (index >= size - shift).int() * (shift > 0)
            )
        return 3 * steps[0][:, None] + steps[1][None, :]
