"""SimAM (ICML 2021): every element has a gate of its own, and no parameter is learnt."""

from torch import Tensor, nn

from ean_search.attention.base import Attention


class SimAM(Attention):
    """Scale every element by how much it stands out from the other positions of its channel.

    Args:
        channels: Channels of the map; the module is the same for all numbers.
        stabiliser: Is added to the variances, lambda in the paper.
    """

    def __init__(self, channels: int, stabiliser: float = 1e-4):
        super().__init__()
        self.stabiliser = stabiliser
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        squares = (x - x.mean((2, 3), keepdim=True)).square()
        others = max(1, x.shape[2] * x.shape[3] - 1)  # the squares on a map of one position are 0
        variance = squares.sum((2, 3), keepdim=True) / others
        return x * self.gate(squares / (4 * (variance + self.stabiliser)) + 0.5)
