"""Files that are either complete or absent, and that can be opened without trusting them.

Also the cache: a folder for results that can be computed again.
"""

import json
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from ean_search.utils.errors import UserError, first_line


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file beside its place, see it to the disk, and move it there."""
    part = path.with_name(path.name + ".part")
    write(part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)


def save_json(value: Any, path: Path) -> None:
    """Write a value as indented JSON."""
    write_whole(path, lambda part: part.write_text(json.dumps(value, indent=2) + "\n"))


def read_json(path: Path) -> Any:
    """Read a value, or None if there is no such file."""
    return json.loads(path.read_text()) if path.is_file() else None


def check_same_settings(
    settings: dict[str, Any],
    path: Path,
    *,
    advice: str,
    read: Callable[[], Any] | None = None,
    movable: Collection[str] = (),
) -> None:
    """Write settings beside their results, or refuse if other settings were written there.

    Args:
        settings: What the results depend on, as plain values.
        path: The file of settings; its folder is made if it does not exist.
        advice: What the user can do about a difference.
        read: Reads the settings in the file, if not as they are.
        movable: Dotted fields that may differ, because they change no result.

    Raises:
        UserError: If the settings differ, with the first field that does.
    """
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Under a name of its own first: several processes may begin at the same time.
        own = path.with_name(f"{path.name}.{os.getpid()}")
        save_json(settings, own)
        own.replace(path)
        return
    kept = read() if read else read_json(path)
    for field, had, wants in _differences(kept, json.loads(json.dumps(settings)), movable):
        raise UserError(
            f"{path.parent} holds results of other settings, see {path.name}: "
            f"{field} was {had!r}, not {wants!r}; {advice}"
        )


def _differences(
    kept: Any, wanted: Any, movable: Collection[str], field: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield where two values differ, fields dotted."""
    if not (isinstance(kept, dict) and isinstance(wanted, dict)):
        if kept != wanted:
            yield field, kept, wanted
        return
    for name in kept | wanted:
        dotted = f"{field}.{name}".strip(".")
        if dotted not in movable:
            yield from _differences(kept.get(name), wanted.get(name), movable, dotted)


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a training state."""
    import torch

    write_whole(path, lambda part: torch.save(state, part))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a training state; nothing in it is executed."""
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a broken archive makes the reader raise
        raise UserError(
            f"{path} is not a readable checkpoint: {first_line(error, lines=3)}"
        ) from error


def save_weights(network: Any, path: Path) -> None:
    """Write a network's weights, shared ones once."""
    from safetensors.torch import save_model

    write_whole(path, lambda part: save_model(network, str(part)))


def load_weights(network: Any, path: Path) -> None:
    """Read weights into a network they fit exactly."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise UserError(f"no weights at {path}")
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path} is not a readable weight file: {first_line(error, lines=3)}"
        ) from error
    faults = _misfits(network.state_dict(keep_vars=True), weights)
    if faults:
        raise UserError(f"{path} does not fit this network: {'; '.join(faults)}")
    network.load_state_dict(weights, strict=False)


def _misfits(state: dict[str, Any], weights: dict[str, Any]) -> list[str]:
    """Say what keeps weights from fitting; of a tensor with several names, one is enough."""
    given = {id(state[name]) for name in weights if name in state}
    wrong = [
        f"{name} has shape {tuple(weights[name].shape)}, not {tuple(state[name].shape)}"
        for name in weights
        if name in state and weights[name].shape != state[name].shape
    ]
    return [
        *_some("it lacks", [name for name, tensor in state.items() if id(tensor) not in given]),
        *_some("the network has no", [name for name in weights if name not in state]),
        *_some("", wrong),
    ]


def _some(words: str, names: list[str], shown: int = 3) -> list[str]:
    """Name the first few of many."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return [f"{words} {', '.join(names[:shown])}{more}".strip()] if names else []


def cache_dir(*parts: str) -> Path:
    """Return a folder of the cache, made on demand.

    It lies in $EAN_SEARCH_CACHE, else in $XDG_CACHE_HOME/ean-search, else in ~/.cache/ean-search.
    """
    own = os.environ.get("EAN_SEARCH_CACHE")
    shared = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(own or Path(shared) / "ean-search").joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
