"""Where attention can go in a backbone: its sites, found by probing it.

A position (`positions/`) lists the paths of the modules where attention could go; a forward pass of
shapes only tells which of them run, in which order, and on which maps. Sites whose blocks have the
same parent module form a stage.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention.layout import CHANNELS_FIRST, CHANNELS_LAST, TOKENS
from ean_search.attention.registry import find_attention
from ean_search.attention.windows import Partition
from ean_search.core.space import Space, load_space
from ean_search.networks.plain_backbone import (
    image_channels,
    image_size_explained,
    make_backbone,
)
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
            return 1
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


class _Recorder(nn.Module):
    """Identity at a possible site that notes the shapes of the maps there."""

    def __init__(self, module_path: str, shapes: dict[str, list[tuple[int, ...]]]):
        super().__init__()
        self.module_path = module_path
        self.shapes = shapes

    def forward(self, x: Tensor, *_: Tensor) -> Tensor:
        self.shapes.setdefault(self.module_path, []).append(tuple(x.shape))
        return x


def find_sites(space: Space) -> tuple[Site, ...]:
    """List the sites of a space's backbone in the order they run.

    Args:
        space: The space; of the positions that all its attentions can have, the first one is taken
            at which the backbone has sites.

    Raises:
        UserError: If there is no such position, or the backbone cannot be built.
    """
    plain = {"name": "", "stages": (), "placements": {}}
    return _find_sites(space.model_copy(update=plain).model_dump_json())


@lru_cache(maxsize=64)
def _find_sites(space_json: str) -> tuple[Site, ...]:
    space = Space.model_validate_json(space_json)
    positions = _common_positions(space)
    for position in positions:
        sites = _record_sites(space, position)
        if sites:
            _check_own_attention(space, sites)
            return _number_sites(space, sites)
    reasons = ", and ".join(REASONS_WITHOUT_SITES[position] for position in positions)
    raise UserError(f"backbone {space.backbone!r} has no site: {reasons}")


def _check_own_attention(space: Space, sites: list[Site]) -> None:
    """Refuse to remove what is not there."""
    if space.own_attention == "remove" and not any(site.own for site in sites):
        raise UserError(
            f"own_attention: remove has no meaning in space {space.name!r}: {space.backbone} has "
            f"no module of its own at position {sites[0].position}"
        )


REASONS_WITHOUT_SITES = {
    "residual": "no block of it has an attribute `.se` or a drop-path",
    "block": "no block of it adds its own input",
    "qkv": "no self-attention of it has a layer `.qkv`",
    "mixer": "no block of it has an attribute `.token_mixer`",
}


def _common_positions(space: Space) -> tuple[str, ...]:
    """Return the positions that all attentions of a space can have, the preferred one first."""
    possible = {c.name: find_attention(c.name).positions for c in space.attention}
    if space.position != "auto":
        for name, positions in possible.items():
            if space.position not in positions:
                raise UserError(
                    f"{name}: goes to position {' or '.join(positions)}, not {space.position}"
                )
        return (space.position,)
    first, *others = possible.values()
    common = tuple(p for p in first if all(p in positions for positions in others))
    if not common:
        listed = "; ".join(f"{name}: {' or '.join(own)}" for name, own in possible.items())
        raise UserError(f"no position is right for all attentions of the space ({listed})")
    return common


def _record_sites(space: Space, position_name: str) -> list[Site]:
    """Pass shapes through a backbone, and describe the sites that ran, all with the number 0."""
    position = find_position(position_name)
    shapes: dict[str, list[tuple[int, ...]]] = {}
    with torch.device("meta"), image_size_explained(space):
        backbone = make_backbone(space, classes=2).eval()
        channels = image_channels(space.backbone_args)
        image = torch.empty(1, channels, space.image_size, space.image_size)
        own: dict[str, str] = {}
        for path in position.module_paths(backbone, image):
            own[path] = _class_name(position.original(backbone, path))
            position.put(backbone, path, _Recorder(path, shapes))
        with torch.no_grad():
            backbone(image)
    # Two branches may end in one drop-path; where their maps differ, no attention fits both.
    same_shape = {path: found[0] for path, found in shapes.items() if len(set(found)) == 1}
    return [
        replace(_describe(backbone, position_name, path, shape), own=own[path])
        for path, shape in same_shape.items()
    ]


def _class_name(module: nn.Module | None) -> str:
    """Name the class of a module that does something, or nothing."""
    if module is None or isinstance(module, nn.Identity):
        return ""
    return type(module).__name__


def _describe(backbone: nn.Module, position: str, module_path: str, shape: tuple[int, ...]) -> Site:
    """Describe the map at a module path by its shape; number and stage stay 0."""
    if position == "qkv":
        return _describe_qkv(backbone, module_path, shape)
    site = partial(Site, 0, position, module_path, 0)
    if len(shape) == 4 and shape[1] == shape[2] != shape[3]:
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


def _describe_qkv(backbone: nn.Module, module_path: str, shape: tuple[int, ...]) -> Site:
    owner, _, _ = module_path.rpartition(".")
    heads: Any = backbone.get_submodule(owner).num_heads
    partition = _partition(backbone.get_submodule(owner.rpartition(".")[0]))
    tokens, channels = shape[-2:]
    return Site(0, "qkv", module_path, 0, channels, tokens, 1, TOKENS, 0, heads, partition)


def _partition(block: Any) -> Partition | tuple[()]:
    """Return the partition into windows of a block of Swin, an empty one of other blocks."""
    if not hasattr(block, "shift_size"):
        return ()
    (height, width), (h, w) = block.input_resolution, block.window_size
    rows, columns = block.shift_size
    return height, width, h, w, rows, columns


def _number_sites(space: Space, sites: Sequence[Site]) -> tuple[Site, ...]:
    """Number sites and their stages in the order they ran."""
    numbered: list[Site] = []
    stage = -1
    for _, group in groupby(sites, key=lambda site: site.block.rpartition(".")[0]):
        members = list(group)
        for i, site in enumerate(members):
            stage += i % (space.stage_length or len(members)) == 0
            numbered.append(replace(site, number=len(numbered), stage=stage))
    return tuple(numbered)


def probe(space: Space | str) -> Space:
    """Find out how many sites each stage of a space's backbone has.

    Args:
        space: The space, with or without `stages`, or its name.

    Returns:
        The space with its `stages`, so that placements can be parsed and drawn.

    Raises:
        UserError: If the space has other stages, its backbone has no sites, or it cannot be built.

    Example:
        >>> probe(load_space("resnet50_shared", stages=())).stages
        (3, 4, 6, 3)
    """
    space = load_space(space)
    sites = find_sites(space)
    counts = [0] * (sites[-1].stage + 1)
    for site in sites:
        counts[site.stage] += 1
    if space.stages and tuple(counts) != space.stages:
        raise UserError(
            f"space {space.name!r} says its stages have {space.stages} sites; "
            f"{space.backbone} has {tuple(counts)}"
        )
    return space.model_copy(update={"stages": tuple(counts)})
