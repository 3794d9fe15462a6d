"""In place of a block's token mixer, which MetaFormers keep in an attribute `.token_mixer`."""

from torch import nn

from ean_search.networks.example import Example
from ean_search.networks.positions.wrappers import replace_module
from ean_search.networks.removal import find_sublayers

DEPTH_BELOW_BLOCK = 1


def module_paths(backbone: nn.Module, example: Example) -> list[str]:
    """List the token mixers."""
    return [f"{n}.token_mixer" for n, m in backbone.named_modules() if hasattr(m, "token_mixer")]


def removable(backbone: nn.Module, example: Example) -> dict[str, tuple[str, ...]]:
    """Map the paths of token mixers that can be removed to those of what goes with them."""
    return find_sublayers(backbone, example, module_paths(backbone, example))


def original(network: nn.Module, module_path: str) -> nn.Module:
    """Return the token mixer."""
    return network.get_submodule(module_path)


def put(network: nn.Module, module_path: str, module: nn.Module) -> None:
    """Replace the token mixer by a module."""
    replace_module(network, module_path, module)
