"""Which possible sites of a user's module are sites, and why the others are none."""

import logging
import math
from collections.abc import Mapping, Sequence

from torch import nn

from ean_search.attention.layout import TOKENS
from ean_search.networks.site import Site, describe_site
from ean_search.utils.errors import UserError

Shapes = Mapping[str, Sequence[tuple[int, ...]]]  # of input and output, call by call, by path
MAX_PATHS_NAMED = 3  # in a message

log = logging.getLogger(__name__)


def describe_live_sites(
    module: nn.Module, position: str, shapes: Shapes, *, only_own: bool
) -> dict[str, Site]:
    """Describe the sites among the places that one forward pass ran.

    Args:
        module: A user's module.
        position: The name of the position in blocks.
        shapes: The shapes of the maps at each place.
        only_own: Whether nothing new is attached, so that any map will do.

    Returns:
        The sites by path. What is none is said in the log, with the reason.
    """
    repeated = [path for path, found in shapes.items() if len(found) > 2]
    changed = [path for path, found in shapes.items() if len(set(found)) > 1]
    sites, unfit = {}, []
    for path, found in shapes.items():
        if path in repeated or path in changed:
            continue
        try:
            sites[path] = describe_site(module, position, path, found[0])
        except UserError:  # neither a map nor tokens on a grid
            if only_own:
                sites[path] = _describe_any(position, path, found[0])
            else:
                unfit.append(path)
    _say("a forward pass runs them more than once", repeated)
    _say("they change the shape of the map", [path for path in changed if path not in repeated])
    _say("they have no map with channels, height and width", unfit)
    return sites


def _describe_any(position: str, path: str, shape: tuple[int, ...]) -> Site:
    """Describe a place at which modules only come and go: its last axis is that of channels."""
    rows = max(1, math.prod(shape[1:-1]))
    return Site(0, position, path, 0, shape[-1], rows, 1, layout=TOKENS, windows=shape[0])


def _say(why: str, paths: Sequence[str]) -> None:
    if paths:
        named = ", ".join(paths[:MAX_PATHS_NAMED]) + ", ..." * (len(paths) > MAX_PATHS_NAMED)
        log.warning("%d possible sites are none, because %s: %s", len(paths), why, named)
