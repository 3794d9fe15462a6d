"""Where in a backbone's blocks an attention can go: one position a file.

A position lists the paths of the modules that a site would replace or wrap, and puts a module at
such a path. A wrapped module can be unwrapped again, and then is as it was.
"""

from importlib import import_module
from typing import Protocol

from torch import Tensor, nn

from ean_search.utils.errors import unknown_name

POSITIONS = ("residual", "block", "qkv", "mixer")


class Position(Protocol):
    """What a file of this package offers."""

    DEPTH: int  # how many names a module_path's path has more than its block's

    def module_paths(self, backbone: nn.Module, image: Tensor) -> list[str]:
        """List the module_paths, whether they run or not; a pass may tell."""

    def original(self, network: nn.Module, module_path: str) -> nn.Module | None:
        """Return the backbone's module that an attention here replaces, if it does."""

    def put(self, network: nn.Module, module_path: str, module: nn.Module) -> None:
        """Put a module there."""


def find_position(name: str) -> Position:
    """Return a position by its name."""
    if name not in POSITIONS:
        raise unknown_name("position", name, POSITIONS)
    return import_module(f"ean_search.networks.positions.{name}")
