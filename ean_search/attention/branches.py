"""How layer attention is added to a block's output: on maps after a norm, on tokens before one."""

import torch
from timm.layers.drop import DropPath
from torch import Tensor, nn

from ean_search.attention.layout import TOKENS, from_map, to_map
from ean_search.utils.errors import UserError


class Branch(nn.Module):
    """The way from a block's output to the maps that are attended to, and back."""

    def prepare(self, *inputs: Tensor) -> tuple[tuple[Tensor, ...], Tensor | None]:
        """Return the maps to attend to.

        Args:
            *inputs: The block's output and, if the attention takes it, the block's shortcut.

        Returns:
            A map with channels first for each input, and what `add` adds to the class token.
        """
        raise NotImplementedError

    def add(self, x: Tensor, y: Tensor, class_token: Tensor | None) -> Tensor:
        """Add the result of the attention to the block's output.

        Args:
            x: The block's output.
            y: The result of the attention: a map with channels first.
            class_token: The second value that `prepare` returned.
        """
        raise NotImplementedError


class NoBranch(Branch):
    """The maps themselves, without parameters; nothing is added."""

    def prepare(self, *inputs: Tensor) -> tuple[tuple[Tensor, ...], None]:
        return inputs, None

    def add(self, x: Tensor, y: Tensor, class_token: Tensor | None) -> Tensor:
        return x


class MapBranch(Branch):
    """x + drop_path(activation(norm(y))), as in the convolutional networks."""

    def __init__(self, channels: int, drop_path: float, activation: bool = False):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.activation = nn.ReLU() if activation else nn.Identity()
        self.drop_path = DropPath(drop_path)

    def prepare(self, *inputs: Tensor) -> tuple[tuple[Tensor, ...], None]:
        return inputs, None

    def add(self, x: Tensor, y: Tensor, class_token: Tensor | None) -> Tensor:
        return x + self.drop_path(self.activation(self.norm(y)))


class TokenBranch(Branch):
    """x + attention(norm(x)), as in DeiT.

    Args:
        channels: Channels of the tokens.
        prefix: The number of class tokens.
        cls_mode: `add`, as published: the class token, on which nothing attends, is increased by
            its own norm; `skip`: it stays as it is.
        norms: The number of inputs, each of which has a norm.
    """

    def __init__(self, channels: int, prefix: int, cls_mode: str, norms: int):
        super().__init__()
        if cls_mode not in ("add", "skip"):
            raise UserError(f"expected cls_mode add or skip, got {cls_mode!r}")
        self.norms = nn.ModuleList(nn.LayerNorm(channels, eps=1e-6) for _ in range(norms))
        self.prefix = prefix
        self.adds_class = cls_mode == "add"

    def prepare(self, *inputs: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        normed = [norm(x) for norm, x in zip(self.norms, inputs, strict=True)]
        maps = tuple(to_map(x, TOKENS, self.prefix)[0] for x in normed)
        class_token = normed[0][:, : self.prefix]
        return maps, class_token if self.adds_class else torch.zeros_like(class_token)

    def add(self, x: Tensor, y: Tensor, class_token: Tensor | None) -> Tensor:
        return x + from_map(y, TOKENS, class_token)
