"""Spaces of modules that a user made in Python: how they are told, and what they began as."""

from ean_search.core.attention_choice import OWN
from ean_search.core.space import Space

LIVE_PREFIX = "live/"  # of the name of such a backbone, see networks/live.py


def is_live(backbone: str) -> bool:
    """Say whether the name of a backbone is that of a module that a user made in Python."""
    return backbone.startswith(LIVE_PREFIX)


def given_placement(space: Space) -> str:
    """Return the name of the placement whose costs limits with an x are multiples of.

    A user whose own attention may go has it everywhere, and a limit is a multiple of that network.
    Otherwise the network without attention is what there was before.
    """
    return "all" if is_live(space.backbone) and space.attention[0].name == OWN else "none"
