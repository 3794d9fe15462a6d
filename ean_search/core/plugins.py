"""The names of plug-ins in a space."""

from ean_search.core.space import Space


def space_plugins(space: Space) -> list[str]:
    """List the names in a space that stand for code outside the package."""
    names = [space.backbone, *(choice.name for choice in space.attention)]
    return [name for name in names if ":" in name]
