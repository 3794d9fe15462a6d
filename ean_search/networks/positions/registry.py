"""Where in a backbone's blocks an attention can go: one position per file.

A position lists the paths of the modules that it can replace or wrap, and puts a module at such a
path. Pruning takes wrappers without an attention away again, and the backbone is as it was.
"""

from typing import Protocol

from torch import nn

from ean_search.networks.example import Example
from ean_search.networks.positions import block, gate, mixer, qkv, residual, sublayer
from ean_search.utils.errors import unknown_name


class Position(Protocol):
    """The functions and the constant that a file of this folder has; the file is the position."""

    DEPTH_BELOW_BLOCK: int  # how many names longer a module's path is than that of its block

    def module_paths(self, backbone: nn.Module, example: Example) -> list[str]:
        """List the paths of the modules of a backbone where an attention could go.

        A forward pass tells afterwards which of them run, in which order and on which maps.

        Args:
            backbone: A plain backbone on the device "meta", in evaluation mode.
            example: What one forward pass of it takes, on the same device.
        """

    def removable(self, backbone: nn.Module, example: Example) -> dict[str, tuple[str, ...]] | None:
        """Find the sublayers of residual blocks that can be removed with all that belongs to them.

        Args:
            backbone: As for `module_paths`.
            example: As for `module_paths`.

        Returns:
            The paths of all modules that go, by the path at which the sublayer is switched off;
            None if the position is not that of a sublayer.
        """

    def original(self, network: nn.Module, module_path: str) -> nn.Module | None:
        """Return the module of the backbone that `put` replaces; None if it wraps the module.

        Args:
            network: The backbone.
            module_path: One of `module_paths`.
        """

    def put(self, network: nn.Module, module_path: str, module: nn.Module) -> None:
        """Put a module at a path: a slot, which has the input and output of an attention.

        Args:
            network: The backbone, which is changed.
            module_path: One of `module_paths`.
            module: The module.
        """


POSITIONS: dict[str, Position] = {
    "residual": residual,
    "block": block,
    "qkv": qkv,
    "mixer": mixer,
    "sublayer": sublayer,
    "gate": gate,
}


def find_position(name: str) -> Position:
    """Return a position by its name.

    Raises:
        UserError: If there is no such position.
    """
    if name not in POSITIONS:
        raise unknown_name("position", name, POSITIONS)
    return POSITIONS[name]
