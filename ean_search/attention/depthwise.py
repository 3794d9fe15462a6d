"""The control for layer attention: its depthwise convolution and norm, without any attention."""

from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.attention.branches import MapBranch


class Depthwise(Attention):
    """Add a normed depthwise convolution to the block's output."""

    positions = ("block",)
    shared = ("value",)  # what sites of a group have in common

    def __init__(self, channels: int, drop_path: float = 0.2):
        super().__init__()
        self.value = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.branch = MapBranch(channels, drop_path)

    def forward(self, x: Tensor) -> Tensor:
        return self.branch.close(x, self.value(x), None)
