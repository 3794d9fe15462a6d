"""Where attention can go in a backbone: its sites, found by probing it.

The families of ResNet, ResNeXt, RegNet, EfficientNet, MobileNet and their kin keep an attribute
`.se` in every block. A forward pass of shapes alone tells which of them run, in which order, and
on which maps. Sites with the same parent module form a stage.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import timm
import torch
from torch import Tensor, nn

from ean_search.backbones import BACKBONES
from ean_search.lookup import UserError, lookup, unknown
from ean_search.space import Space


@dataclass(frozen=True)
class Site:
    """One place for an attention: the block it is in, and the map it gets there."""

    number: int
    block: str
    stage: int
    channels: int
    height: int
    width: int

    @property
    def elements(self) -> int:
        """Count the map's elements for one image."""
        return self.channels * self.height * self.width


class _Recorder(nn.Module):
    """Stands at a possible site and notes the map that comes by."""

    def __init__(self, block: str, seen: dict[str, tuple[int, ...]]):
        super().__init__()
        self.block = block
        self.seen = seen

    def forward(self, x: Tensor) -> Tensor:
        self.seen[self.block] = tuple(x.shape)
        return x


def make_backbone(space: Space, classes: int) -> nn.Module:
    """Build the plain backbone of a space."""
    name, args = space.backbone, {"num_classes": classes, **space.backbone_args}
    if name in BACKBONES or (":" in name and not name.startswith(("hf-hub:", "local-dir:"))):
        return lookup(name, BACKBONES, "backbone")(**args)
    if not timm.is_model(name.split(".")[0]) and ":" not in name:
        raise unknown("backbone", name, [*timm.list_models(), *BACKBONES])
    try:
        return timm.create_model(name, **args)
    except TypeError as error:
        raise UserError(f"backbone {name!r} cannot be built with {args}: {error}") from error


def find_sites(space: Space) -> tuple[Site, ...]:
    """List the sites of a space's backbone in the order they run."""
    return _find_sites(
        space.model_copy(update={"name": "", "stages": (), "placements": {}}).model_dump_json()
    )


@lru_cache(maxsize=64)
def _find_sites(key: str) -> tuple[Site, ...]:
    space = Space.model_validate_json(key)
    seen: dict[str, tuple[int, ...]] = {}
    channels = space.backbone_args.get("in_chans", 3)
    with torch.device("meta"):
        backbone = make_backbone(space, classes=2).eval()
        for block, module in list(_homes(backbone)):
            module.se = _Recorder(block, seen)
        with torch.no_grad():
            backbone(torch.empty(1, channels, space.image_size, space.image_size))
    if not seen:
        raise UserError(
            f"backbone {space.backbone!r} has no site: no block of it has an attribute `.se`. "
            "ResNet, ResNeXt, RegNet, EfficientNet, MobileNet and MNASNet families have"
        )
    stages = groupby(seen, key=lambda block: block.rpartition(".")[0])
    placed = [(block, stage) for stage, (_, blocks) in enumerate(stages) for block in blocks]
    return tuple(
        Site(number, block, stage, *seen[block][1:]) for number, (block, stage) in enumerate(placed)
    )


def _homes(backbone: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield every block that has a home for an attention."""
    for name, module in backbone.named_modules():
        if hasattr(module, "se"):
            yield name, module


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
