"""Files that are either whole or not there, and that can be opened without trusting them."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ean_search.lookup import UserError


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
        raise UserError(f"{path} is not a readable checkpoint: {_first_line(error)}") from error


def save_weights(network: Any, path: Path) -> None:
    """Write a network's weights, shared ones once."""
    from safetensors.torch import save_model

    write_whole(path, lambda part: save_model(network, str(part)))


def load_weights(network: Any, path: Path) -> None:
    """Read weights into a network they fit exactly."""
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    if not path.is_file():
        raise UserError(f"no weights at {path}")
    try:
        load_model(network, str(path))
    except (SafetensorError, RuntimeError) as error:
        raise UserError(f"{path} does not fit this network: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3]) if lines else type(error).__name__
