"""A residual network such as people write for themselves: three kinds of gates, one value out."""

import torch
from torch import Tensor, nn


class ChannelGate(nn.Module):
    """Weighs channels by their means."""

    def __init__(self, channels: int, reduction: int = 4):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, channels // reduction),
            nn.ReLU(),
            nn.Linear(channels // reduction, channels),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        weights = self.layers(x.mean((2, 3)))
        return x * weights[:, :, None, None]


class SpatialGate(nn.Module):
    """Weighs positions by the mean over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.conv(x.mean(1, keepdim=True))) * x


class TwoGates(nn.Module):
    """Weighs channels, then positions."""

    def __init__(self, channels: int):
        super().__init__()
        self.channel, self.spatial = ChannelGate(channels), SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        return self.spatial(self.channel(x))


class Unit(nn.Module):
    """A residual block with a gate of its own kind."""

    def __init__(self, channels: int, gate: nn.Module):
        super().__init__()
        self.norm, self.conv = nn.GroupNorm(4, channels), nn.Conv2d(channels, channels, 3, 1, 1)
        self.weigh = gate

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weigh(torch.relu(self.conv(self.norm(x))))


class RegressionNet(nn.Module):
    """Estimates one value of an image."""

    def __init__(self, channels: int = 8):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, stride=2, padding=1)
        gates = (ChannelGate(channels), SpatialGate(), TwoGates(channels))
        self.units = nn.ModuleList(Unit(channels, gate) for gate in gates)
        self.head = nn.Linear(channels, 1)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = self.stem(image)
        for unit in self.units:
            x = unit(x)
        return {"value": self.head(x.mean((2, 3)))[:, 0]}
