"""Where attention can go in a backbone: its sites, found by probing it.

A position (`positions/`) lists the module paths that a backbone has for attention; a forward pass
of shapes alone tells which of them run, in which order, and on which maps. Sites whose blocks have
the same parent module form a stage.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby

import timm
import torch
from torch import Tensor, nn

from ean_search.attention.layout import CHANNELS_FIRST, CHANNELS_LAST, TOKENS
from ean_search.attention.registry import find_attention
from ean_search.core.space import Space
from ean_search.networks.backbones.registry import BACKBONES
from ean_search.networks.positions.registry import find_position
from ean_search.utils.errors import UserError, unknown_name
from ean_search.utils.registry import lookup


@dataclass(frozen=True)
class Site:
    """One place for an attention: where it is, and the map it gets there."""

    number: int
    position: str
    module_path: str
    stage: int
    channels: int
    height: int
    width: int
    layout: str = CHANNELS_FIRST
    prefix: int = 0  # tokens that are not on the map
    heads: int = 0  # of a self-attention
    partition: tuple[int, ...] = ()  # into windows; who has others cannot be attended to

    @property
    def block(self) -> str:
        """Name the block the site belongs to."""
        depth = find_position(self.position).DEPTH
        return self.module_path.rsplit(".", depth)[0] if depth else self.module_path

    @property
    def num_maps(self) -> int:
        """Count the maps that the site gives: after a block the block's shortcut, too."""
        return 2 if self.position == "block" else 1

    @property
    def elements(self) -> int:
        """Count the map's elements for one image."""
        return self.windows * self.channels * (self.height * self.width + self.prefix)

    @property
    def windows(self) -> int:
        """Count the windows that an image is cut into."""
        if not self.partition:
            return 1
        height, width, h, w, *_ = self.partition
        return height // h * (width // w)

    def example(self, images: int = 1, device: str = "cpu") -> tuple[Tensor, ...]:
        """Make maps such as the site gives to an attention."""
        if self.layout == CHANNELS_FIRST:
            shape = (images, self.channels, self.height, self.width)
        elif self.layout == CHANNELS_LAST:
            shape = (images, self.height, self.width, self.channels)
        else:
            tokens = self.prefix + self.height * self.width
            shape = (images * self.windows, tokens, self.channels)
        return tuple(torch.randn(shape, device=device) for _ in range(self.num_maps))


class _Recorder(nn.Module):
    """Stands at a possible site and notes the maps that come by."""

    def __init__(self, module_path: str, seen: dict[str, list[tuple[int, ...]]]):
        super().__init__()
        self.module_path = module_path
        self.seen = seen

    def forward(self, x: Tensor, *_: Tensor) -> Tensor:
        self.seen.setdefault(self.module_path, []).append(tuple(x.shape))
        return x


def make_backbone(space: Space, classes: int) -> nn.Module:
    """Build the plain backbone of a space."""
    name, args = space.backbone, {"num_classes": classes, **space.backbone_args}
    if name in BACKBONES or (":" in name and not name.startswith(("hf-hub:", "local-dir:"))):
        return lookup(name, BACKBONES, "backbone")(**args)
    if not timm.is_model(name.split(".")[0]) and ":" not in name:
        raise unknown_name("backbone", name, [*timm.list_models(), *BACKBONES])
    try:
        return timm.create_model(name, **args)
    except TypeError as error:
        raise UserError(f"backbone {name!r} cannot be built with {args}: {error}") from error


def find_sites(space: Space) -> tuple[Site, ...]:
    """List the sites of a space's backbone in the order they run."""
    plain = {"name": "", "stages": (), "placements": {}}
    return _find_sites(space.model_copy(update=plain).model_dump_json())


@lru_cache(maxsize=64)
def _find_sites(key: str) -> tuple[Site, ...]:
    space = Space.model_validate_json(key)
    positions = _positions(space)
    for position in positions:
        seen = _look(space, position)
        if seen:
            return _number(space, position, seen)
    words = ", and ".join(WANTED[position] for position in positions)
    raise UserError(f"backbone {space.backbone!r} has no site: {words}")


WANTED = {
    "residual": "no block of it has an attribute `.se` or a drop-path",
    "block": "no block of it adds its own input",
    "qkv": "no self-attention of it has a layer `.qkv`",
    "mixer": "no block of it has an attribute `.token_mixer`",
}


def _positions(space: Space) -> tuple[str, ...]:
    """Return the positions that all attentions of a space can be at, the best first."""
    possible = {c.name: find_attention(c.name).positions for c in space.attention}
    if space.position != "auto":
        for name, own in possible.items():
            if space.position not in own:
                raise UserError(
                    f"{name}: goes to position {' or '.join(own)}, not {space.position}"
                )
        return (space.position,)
    first, *others = possible.values()
    common = tuple(p for p in first if all(p in own for own in others))
    if not common:
        wanted = "; ".join(f"{name}: {' or '.join(own)}" for name, own in possible.items())
        raise UserError(f"no position is right for all attentions of the space ({wanted})")
    return common


def _look(space: Space, name: str) -> dict[str, Site]:
    """Pass shapes through a backbone, and describe the module_paths that they came by."""
    position = find_position(name)
    seen: dict[str, list[tuple[int, ...]]] = {}
    with torch.device("meta"):
        backbone = make_backbone(space, classes=2).eval()
        channels = space.backbone_args.get("in_chans", 3)
        image = torch.empty(1, channels, space.image_size, space.image_size)
        module_paths = position.module_paths(backbone, image)
        for module_path in module_paths:
            position.put(backbone, module_path, _Recorder(module_path, seen))
        with torch.no_grad():
            backbone(image)
    # Two branches may end in one drop-path; where their maps differ, no attention fits both.
    alike = {path: shapes[0] for path, shapes in seen.items() if len(set(shapes)) == 1}
    return {path: _describe(backbone, name, path, shape) for path, shape in alike.items()}


def _describe(backbone: nn.Module, position: str, module_path: str, shape: tuple[int, ...]) -> Site:
    """Say what map of which layout comes by at a module_path."""
    options = {"number": 0, "position": position, "module_path": module_path, "stage": 0}
    if position == "qkv":
        return Site(**options, **_describe_qkv(backbone, module_path, shape))
    if len(shape) == 4 and shape[1] == shape[2] != shape[3]:
        return Site(**options, channels=shape[3], height=shape[1], width=shape[2],
                    layout=CHANNELS_LAST)  # fmt: skip
    if len(shape) == 4:
        return Site(**options, channels=shape[1], height=shape[2], width=shape[3])
    if len(shape) != 3:
        raise UserError(f"{module_path}: expected a map or tokens, got a tensor of shape {shape}")
    # Class tokens may join late, and not every backbone says how many there are.
    for prefix in (getattr(backbone, "num_prefix_tokens", 0), 0, 1, 2):
        side = math.isqrt(max(0, shape[1] - prefix))
        if side and side * side == shape[1] - prefix:
            grid = {"height": side, "width": side, "layout": TOKENS, "prefix": prefix}
            return Site(**options, channels=shape[2], **grid)
    raise UserError(f"{module_path}: expected tokens on a square grid, got {shape[1]}")


def _describe_qkv(backbone: nn.Module, module_path: str, shape: tuple[int, ...]) -> dict:
    owner, _, _ = module_path.rpartition(".")
    attention = backbone.get_submodule(owner)
    block = backbone.get_submodule(owner.rpartition(".")[0])
    return {
        "channels": shape[-1],
        "height": shape[-2],
        "width": 1,
        "layout": TOKENS,
        "heads": attention.num_heads,
        "partition": _partition(block),
    }


def _partition(block: nn.Module) -> tuple[int, ...]:
    """Return a block's map, window and shift, if it attends within windows."""
    if not hasattr(block, "shift_size"):
        return ()
    return (*block.input_resolution, *block.window_size, *block.shift_size)


def _number(space: Space, position: str, seen: dict[str, Site]) -> tuple[Site, ...]:
    """Number sites and their stages in the order they ran."""
    found: list[Site] = []
    stage = -1
    for _, group in groupby(seen.values(), key=lambda site: site.block.rpartition(".")[0]):
        sites = list(group)
        for number, site in enumerate(sites):
            stage += number % (space.stage_length or len(sites)) == 0
            found.append(replace(site, number=len(found), stage=stage))
    return tuple(found)


def probe(space: Space) -> Space:
    """Return the space with the sites its backbone really has."""
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
