"""Squeeze-and-excitation (arXiv 1709.01507): timm's module with the paper's exact reduction."""

from timm.layers import SEModule


class SE(SEModule):
    """Scale channels by a gate of their means.

    timm rounds the inner width up to a multiple of 8; the published counts do not.
    """

    def __init__(self, channels: int, reduction: int = 16):
        super().__init__(channels, rd_ratio=1 / reduction, rd_divisor=1)
