"""Search where attention modules pay: placements of shared attention in any backbone.

The names below load what they need when they are first used, so importing the package is free.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ean_search.network import build, place, prune
    from ean_search.sites import probe
    from ean_search.space import Placement, Space, load_space

_ADDRESSES = {
    "Placement": "ean_search.space:Placement",
    "Space": "ean_search.space:Space",
    "build": "ean_search.network:build",
    "load_space": "ean_search.space:load_space",
    "place": "ean_search.network:place",
    "probe": "ean_search.sites:probe",
    "prune": "ean_search.network:prune",
}

__all__ = ["Placement", "Space", "build", "load_space", "place", "probe", "prune"]


def __getattr__(name: str) -> Any:
    if name not in _ADDRESSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ean_search.lookup import load_attribute

    return load_attribute(_ADDRESSES[name])
