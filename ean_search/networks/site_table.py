"""The sites of any module as a table, before anything runs."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from torch import nn

from ean_search.core.attention_choice import OWN
from ean_search.core.space import Space
from ean_search.networks.example import Example
from ean_search.networks.live import LiveNetwork, check_example, register_live
from ean_search.networks.pretrained import with_unit_gates
from ean_search.networks.site import Site
from ean_search.networks.sites import find_sites, probe
from ean_search.utils.config import parse_fields

COLUMNS = ["site", "stage", "path", "position", "own", "removed", "channels", "height", "width"]


def find_attention_sites(
    model: nn.Module,
    example: Any,
    attention: Any = OWN,
    *,
    sites: str | Sequence[str] = (),
    position: str = "auto",
) -> pd.DataFrame:
    """Show where attention is, or could go, in any module; nothing is trained or changed.

    Args:
        model: The module; the search would work on a copy of it, like this function.
        example: What one forward pass takes: a tensor, a tuple of several arguments, a mapping of
            arguments by name, or another single argument, such as a list of images.
        attention: `own` for the attention that is there, or the name of a new one, such as `se`; a
            list of several; an entry may have options, as in the YAML of spaces.
        sites: A pattern of the paths of modules, such as "backbone.*", or several.
        position: The position in blocks; `auto`: the first one that the attention can have.

    Returns:
        One row per site: its number and stage, the `path` of the module that is replaced or
        wrapped, its `position`, the class of the module that is there (`own`), how many modules go
        with it (`removed`), and the map's channels, height and width.

    Raises:
        UserError: If the module cannot be copied, does not take the example, is not deterministic
            in evaluation mode, or has no such site.

    Example:
        >>> find_attention_sites(torchvision.models.resnet50(), torch.zeros(1, 3, 224, 224), "se")
    """
    live = register_live(model, Example.of(example))
    check_example(live)
    found = find_sites(live_space(live, attention, sites=sites, position=position))
    return pd.DataFrame([_row(site) for site in found], columns=COLUMNS)


def _row(site: Site) -> tuple[Any, ...]:
    removed = len(site.removed) or int(bool(site.own))
    where = (site.number, site.stage, site.module_path, site.position)
    return (*where, site.own, removed, site.channels, site.height, site.width)


def live_space(
    live: LiveNetwork,
    attention: Any,
    *,
    sites: str | Sequence[str] = (),
    position: str = "auto",
) -> Space:
    """Make the space of a user's module, with its sites known.

    Args:
        live: The module.
        attention: As for `find_attention_sites`.
        sites: The same.
        position: The same.

    Raises:
        UserError: If an attention or a position is unknown, or the module has no such site.
    """
    patterns = (sites,) if isinstance(sites, str) else tuple(sites)
    entries = [attention] if isinstance(attention, str | dict) else list(attention)
    name = type(live.module).__name__.lower()
    values = {"name": name, "backbone": live.name, "attention": entries, "only": patterns}
    space = parse_fields(Space, values | {"position": position}, "the search space")
    return probe(with_unit_gates(space))
