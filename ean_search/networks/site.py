"""A place for an attention in a backbone, as a value, and how the map there is described."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention.layout import CHANNELS_FIRST, CHANNELS_LAST, TOKENS
from ean_search.attention.windows import Partition
from ean_search.networks.positions.registry import find_position
from ean_search.utils.errors import UserError


@dataclass(frozen=True)
class Site:
    """A place for an attention in a backbone, and the map that the attention gets there.

    Attributes:
        number: Its number in the order the sites run, from 0.
        position: The name of its position in the block (`networks/positions`).
        module_path: The path of the module that the attention replaces or wraps.
        stage: The number of its stage, from 0.
        channels: Channels of the map; at position `qkv` those of queries, keys and values together.
        height: Height of the map; at position `qkv` the number of tokens.
        width: Width of the map; 1 at position `qkv`.
        layout: The layout of the map, a constant of attention/layout.py.
        prefix: The number of tokens before those of the map, such as a class token.
        heads: The number of heads of the self-attention, at position `qkv`.
        partition: The windows within which the self-attention attends, at position `qkv`; empty if
            it attends to all positions.
        own: The class of the module that the backbone has in the place of the attention, such as
            SqueezeExcite; empty if there is none.
        removed: The paths of all modules that go when the backbone's own sublayer is removed there:
            its self-attention or token mixer, its norm, its drop-path; empty if the site is no
            sublayer, or `own` is no choice of the space.
        norm: The path of the batch norm whose output is the map; empty if there is none.
        windows: The number of windows into which the backbone has cut an image before the site.
        returned: How many values the backbone's own module returns there as a tuple, the map first;
            0: it returns the map alone.
    """

    number: int
    position: str
    module_path: str
    stage: int
    channels: int
    height: int
    width: int
    layout: str = CHANNELS_FIRST
    prefix: int = 0
    heads: int = 0
    partition: Partition | tuple[()] = ()
    own: str = ""
    removed: tuple[str, ...] = ()
    norm: str = ""
    windows: int = 1
    returned: int = 0

    @property
    def block(self) -> str:
        """Return the path of the block that the site belongs to."""
        depth = find_position(self.position).DEPTH_BELOW_BLOCK
        return self.module_path.rsplit(".", depth)[0] if depth else self.module_path

    @property
    def num_maps(self) -> int:
        """Return the number of maps that an attention gets; after a block its shortcut is one."""
        return 2 if self.position == "block" else 1

    @property
    def num_elements(self) -> int:
        """Return the number of elements of the map for one image."""
        return self.num_windows * self.channels * (self.height * self.width + self.prefix)

    @property
    def num_windows(self) -> int:
        """Return the number of windows into which an image is cut, 1 if it is not cut."""
        if not self.partition:
            return self.windows
        height, width, h, w, *_ = self.partition
        return height // h * (width // w)

    def example_inputs(self, images: int = 1, device: str = "cpu") -> tuple[Tensor, ...]:
        """Make random maps such as an attention gets at the site.

        Args:
            images: The number of images; their windows follow each other in the batch.
            device: The device of the tensors.

        Returns:
            `num_maps` tensors in the layout of the site.
        """
        shape: tuple[int, ...]
        if self.layout == CHANNELS_FIRST:
            shape = (images, self.channels, self.height, self.width)
        elif self.layout == CHANNELS_LAST:
            shape = (images, self.height, self.width, self.channels)
        else:
            tokens = self.prefix + self.height * self.width
            shape = (images * self.num_windows, tokens, self.channels)
        return tuple(torch.randn(shape, device=device) for _ in range(self.num_maps))


def class_name(module: nn.Module | None) -> str:
    """Name the class of a module that does something, or nothing."""
    if module is None or isinstance(module, nn.Identity):
        return ""
    return type(module).__name__


def describe_site(
    backbone: nn.Module, position: str, module_path: str, shape: tuple[int, ...]
) -> Site:
    """Describe the map at a module path by its shape, for one image; number and stage stay 0."""
    if position == "qkv":
        return _describe_qkv(backbone, module_path, shape)
    site = partial(Site, 0, position, module_path, 0, windows=shape[0])
    if len(shape) == 4 and _is_channels_last(backbone, module_path, shape):
        return site(shape[3], shape[1], shape[2], layout=CHANNELS_LAST)
    if len(shape) == 4:
        return site(shape[1], shape[2], shape[3])
    if len(shape) != 3:
        raise UserError(f"{module_path}: expected a map or tokens, got a tensor of shape {shape}")
    # Class tokens may join late, and not every backbone says how many there are.
    for prefix in (getattr(backbone, "num_prefix_tokens", 0), 0, 1, 2):
        side = math.isqrt(max(0, shape[1] - prefix))
        if side and side * side == shape[1] - prefix:
            return site(shape[2], side, side, layout=TOKENS, prefix=prefix)
    raise UserError(f"{module_path}: expected tokens on a square grid, got {shape[1]}")


def _is_channels_last(backbone: nn.Module, module_path: str, shape: tuple[int, ...]) -> bool:
    """Say whether the last axis of a map is that of channels, by its sides and its block."""
    owner = backbone.get_submodule(module_path.rpartition(".")[0])
    if shape[1] in _sizes(owner, (nn.Conv2d, nn.BatchNorm2d), "out_channels", "num_features"):
        return False
    if shape[1] == shape[2]:  # a square map
        return shape[2] != shape[3]
    return shape[3] in _sizes(owner, (nn.Linear,), "in_features", "out_features")


def _sizes(owner: nn.Module, kinds: tuple[type[nn.Module], ...], *names: str) -> set[int]:
    """Return the numbers of channels of some kinds of layers."""
    layers = [module for module in owner.modules() if isinstance(module, kinds)]
    return {getattr(layer, name) for layer in layers for name in names if hasattr(layer, name)}


def _describe_qkv(backbone: nn.Module, module_path: str, shape: tuple[int, ...]) -> Site:
    if len(shape) != 3:  # of a map or of its windows: the shape does not tell which
        raise UserError(
            f"{module_path}: expected tokens (images, positions, channels) of queries, keys and "
            f"values, got a tensor of shape {shape}"
        )
    owner, _, _ = module_path.rpartition(".")
    heads: Any = backbone.get_submodule(owner).num_heads
    partition = _partition(backbone.get_submodule(owner.rpartition(".")[0]))
    _, tokens, channels = shape
    return Site(0, "qkv", module_path, 0, channels, tokens, 1, TOKENS, 0, heads, partition)


def _partition(block: Any) -> Partition | tuple[()]:
    """Return the partition into windows of a block of Swin, an empty one of other blocks."""
    if not (hasattr(block, "shift_size") and hasattr(block, "input_resolution")):
        return ()
    (height, width), (h, w) = block.input_resolution, block.window_size
    rows, columns = block.shift_size
    return height, width, h, w, rows, columns
