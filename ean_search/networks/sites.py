"""Where attention can go in a backbone: its sites, found by probing it.

A position (`positions/`) lists the paths of the modules where attention could go; a forward pass of
shapes only tells which of them run, in which order, and on which maps. Sites whose blocks have the
same parent module form a stage.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention.registry import find_attention
from ean_search.core.attention_choice import OWN, AttentionChoice
from ean_search.core.live_names import is_live
from ean_search.core.plugins import space_plugins
from ean_search.core.space import Space, load_space
from ean_search.networks.example import Example
from ean_search.networks.folding import norms_before
from ean_search.networks.live_sites import describe_live_sites
from ean_search.networks.plain_backbone import (
    blank_example,
    image_size_explained,
    make_backbone,
)
from ean_search.networks.positions.registry import find_position
from ean_search.networks.removal import STEP_BY_STEP
from ean_search.networks.site import Site, class_name, describe_site
from ean_search.utils.errors import UserError
from ean_search.utils.seeding import seeded
from ean_search.utils.trust import refuse_foreign


class _Recorder(nn.Module):
    """Notes the shapes of the maps at a possible site, where the backbone computes what it does."""

    batch_first = STEP_BY_STEP

    def __init__(
        self, module_path: str, own: nn.Module | None, shapes: dict[str, list[tuple[int, ...]]]
    ):
        super().__init__()
        self.module_path = module_path
        self.own = own
        self.shapes = shapes
        self.returned = 0  # how many values the own module returns as a tuple

    def forward(self, x: Tensor, *rest: Any, **named: Any) -> Any:
        output = x if self.own is None else self.own(x, *rest, **named)
        self.returned = len(output) if isinstance(output, tuple) else 0
        y: Tensor = output[0] if self.returned else output
        self.shapes.setdefault(self.module_path, []).extend((tuple(x.shape), tuple(y.shape)))
        return output


def find_sites(space: Space) -> tuple[Site, ...]:
    """List the sites of a space's backbone in the order they run.

    Args:
        space: The space; of the positions that all its attentions can have, the first one is taken
            at which the backbone has sites.

    Raises:
        UserError: If there is no such position, or the backbone cannot be built.
    """
    refuse_foreign(space_plugins(space))  # in JSON, names do not say whose they are
    positions, probed_part = _common_positions(space), _probed_part(space)
    for position in positions:
        sites = _matching(_record_sites(probed_part, position), space.only)
        if sites and (not space.has_own or any(site.own for site in sites)):
            _check_own_attention(space, sites)
            return _number_sites(space, sites)
    if space.has_own:
        raise _own_error(space, positions)
    reasons = ", and ".join(REASONS_WITHOUT_SITES[position] for position in positions)
    raise UserError(f"backbone {space.backbone!r} has no site{_of_pattern(space)}: {reasons}")


def _matching(sites: Sequence[Site], patterns: Sequence[str]) -> list[Site]:
    """Return the sites whose paths match a pattern; all if there is none."""
    return [
        s for s in sites if not patterns or any(fnmatchcase(s.module_path, p) for p in patterns)
    ]


def _of_pattern(space: Space) -> str:
    return f" that matches {' or '.join(map(repr, space.only))}" if space.only else ""


def _probed_part(space: Space) -> str:
    """Return what probing depends on, as JSON: of the attentions, only whether one is `own`."""
    own = sorted({choice.name == OWN for choice in space.attention})
    attention = tuple(AttentionChoice(name=OWN if is_own else "se") for is_own in own)
    probed = Space(
        name="",
        backbone=space.backbone,
        backbone_args=space.backbone_args,
        image_size=space.image_size,
        attention=attention,
    )
    return probed.model_dump_json()


def _check_own_attention(space: Space, sites: Sequence[Site]) -> None:
    """Refuse to remove what is not there."""
    if space.own_attention == "remove" and not any(site.own for site in sites):
        raise UserError(
            f"own_attention: remove has no meaning in space {space.name!r}: {space.backbone} has "
            f"no module of its own at position {sites[0].position}"
        )


def _own_error(space: Space, positions: Sequence[str]) -> UserError:
    """Say that a backbone has no attention of its own, and where new attention could go."""
    looked_for = ", ".join(OWN_ATTENTION_AT[position] for position in positions)
    new = space.model_copy(update={"attention": (AttentionChoice(name="se"),), "position": "auto"})
    try:
        sites = find_sites(new)
        else_text = f"; a new one, such as se, could go to {len(sites)} sites of it"
    except UserError:  # it has no such sites either
        else_text = ""
    return UserError(
        f"{OWN}: backbone {space.backbone!r} has no attention of its own{_of_pattern(space)} "
        f"(looked for: {looked_for})"
        f"{else_text}"
    )


OWN_ATTENTION_AT = {
    "residual": "gates of its blocks, such as `.se` or ECA",
    "mixer": "token mixers that can be removed",
    "sublayer": "self-attentions that are sublayers of residual blocks",
    "gate": "modules that multiply their input by something that they make of it",
}
REASONS_WITHOUT_SITES = {
    "residual": "no block of it has an attribute `.se` or a drop-path",
    "block": "no block of it adds its own input",
    "qkv": "no self-attention of it has a layer `.qkv`",
    "mixer": "no block of it has an attribute `.token_mixer`",
    "sublayer": "no self-attention of it is a sublayer of a residual block",
    "gate": "no module of it multiplies its input by something that it makes of it",
}


def _common_positions(space: Space) -> tuple[str, ...]:
    """Return the positions that all attentions of a space can have, the preferred one first."""
    possible = {c.name: _positions(space, c.name) for c in space.attention}
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


def _positions(space: Space, name: str) -> tuple[str, ...]:
    """Return the positions of an attention; a user's gates may be anywhere on a branch."""
    own = find_attention(name).positions
    on_branches = is_live(space.backbone) and "residual" in own and "gate" not in own
    return (*own, "gate") if on_branches else own


@lru_cache(maxsize=64)
def _record_sites(space_json: str, position_name: str) -> tuple[Site, ...]:
    """Pass an example through a backbone, and describe the sites that ran, all with number 0."""
    space, position = Space.model_validate_json(space_json), find_position(position_name)
    shapes: dict[str, list[tuple[int, ...]]] = {}
    with _probed(space) as (backbone, example):
        own: dict[str, str] = {}
        recorders: dict[str, _Recorder] = {}
        removable = position.removable(backbone, example) if space.has_own else None
        paths = position.module_paths(backbone, example) if removable is None else list(removable)
        for path in paths:
            original = position.original(backbone, path)
            own[path] = class_name(original)
            recorders[path] = _Recorder(path, original, shapes)
            position.put(backbone, path, recorders[path])
        with torch.no_grad():
            norms = norms_before(backbone, example, recorders)
        if all(choice.name == OWN for choice in space.attention):
            shapes = {path: found for path, found in shapes.items() if own[path]}
        described = _describe(space, backbone, position_name, shapes)
    return tuple(
        replace(
            site,
            own=own[path],
            removed=(removable or {}).get(path, ()),
            norm=norms.get(path, "") if position_name == "residual" else "",
            returned=recorders[path].returned,
        )
        for path, site in described.items()
    )


def _describe(
    space: Space, backbone: nn.Module, position: str, shapes: Mapping[str, list[tuple[int, ...]]]
) -> dict[str, Site]:
    """Describe the places that ran as sites, by path."""
    if is_live(space.backbone):
        only_own = all(choice.name == OWN for choice in space.attention)
        return describe_live_sites(backbone, position, shapes, only_own=only_own)
    # Two branches may end in one drop-path; where their maps differ, no attention fits both. Nor
    # does one fit where the backbone's own module changes the shape of the map.
    same_shape = {path: found[0] for path, found in shapes.items() if len(set(found)) == 1}
    return {p: describe_site(backbone, position, p, shape) for p, shape in same_shape.items()}


@contextmanager
def _probed(space: Space) -> Iterator[tuple[nn.Module, Example]]:
    """Give a plain backbone and an example for it; nothing is computed, except by live modules."""
    if is_live(space.backbone):  # code of anybody's may not work without values
        backbone = make_backbone(space, classes=2).eval()
        with seeded(0):
            yield backbone.requires_grad_(True), blank_example(space)
        return
    with torch.device("meta"), image_size_explained(space):
        yield make_backbone(space, classes=2).eval(), blank_example(space)


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
