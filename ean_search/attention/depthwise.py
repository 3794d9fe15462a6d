"""The control for layer attention: its depthwise convolution and its norm, without attention."""

from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.attention.branches import MapBranch


class Depthwise(Attention):
    """Add a depthwise convolution, after a norm, to the block's output.

    Args:
        channels: Channels of the map.
        drop_path: The probability that an image's branch is dropped in training.
    """

    positions = ("block",)
    shared = ("value",)

    def __init__(self, channels: int, drop_path: float = 0.2):
        super().__init__()
        self.value = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.branch = MapBranch(channels, drop_path)

    def forward(self, x: Tensor) -> Tensor:
        return self.branch.add(x, self.value(x), None)
