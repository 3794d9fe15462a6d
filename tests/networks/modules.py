"""Small modules such as users have: none of timm's, and no attribute is called as in timm."""

import torch
from torch import Tensor, nn


class Gate(nn.Module):
    """Squeeze and excitation in two lines."""

    def __init__(self, channels: int):
        super().__init__()
        self.excite = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.excite(x.mean((2, 3), keepdim=True)).sigmoid()


class GatedBlock(nn.Module):
    """A residual block with a gate on its branch."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        self.recalibrate = Gate(channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.recalibrate(self.body(x)))


class GatedNet(nn.Module):
    """A network of gated blocks that gives a mapping, as many do."""

    def __init__(self, blocks: int = 3, channels: int = 8, outputs: int = 2):
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(*(GatedBlock(channels) for _ in range(blocks)))
        self.head = nn.Linear(channels, outputs)

    def forward(self, image: Tensor, scale: float = 1.0) -> dict[str, Tensor]:
        return {"y": scale * self.head(self.blocks(self.stem(image)).mean((2, 3)))}


class SharedHead(nn.Module):
    """A network whose last block runs once for each of two maps."""

    def __init__(self, channels: int = 8):
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 1)
        self.once, self.twice = GatedBlock(channels), GatedBlock(channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.once(self.stem(x))
        return [self.twice(x), self.twice(x[..., ::2, ::2])]
