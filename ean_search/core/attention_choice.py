"""An attention of a space, with its options."""

from typing import Any

from ean_search.utils.config import FrozenConfig
from ean_search.utils.trust import PluginName

OWN = "own"  # the attention that stands for what the backbone has itself


class AttentionChoice(FrozenConfig):
    """An attention that a site may have: its registered name and the options to build it with."""

    name: PluginName
    options: dict[str, Any] = {}


def read_choice(entry: Any) -> Any:
    """Read one attention, written as `se`, as `{name: dia, reduction: 4}` or as a full choice."""
    if isinstance(entry, str):
        return {"name": entry}
    if isinstance(entry, dict) and "options" not in entry:
        return {
            "name": entry.get("name"),
            "options": {k: v for k, v in entry.items() if k != "name"},
        }
    return entry
