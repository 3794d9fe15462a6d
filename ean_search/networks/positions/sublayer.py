"""In place of a self-attention that is a sublayer of its own in a residual block.

Vision transformers compute x + attention(norm(x)), and have a number of heads in the module
`attention`. Where a norm comes last, the position is that of the norm.
"""

from torch import Tensor, nn

from ean_search.networks.positions.wrappers import replace_module
from ean_search.networks.removal import find_sublayers

DEPTH_BELOW_BLOCK = 1


def module_paths(backbone: nn.Module, image: Tensor) -> list[str]:
    """List the modules at which self-attentions can be switched off."""
    return list(removable(backbone, image))


def removable(backbone: nn.Module, image: Tensor) -> dict[str, tuple[str, ...]]:
    """Map the paths of `module_paths` to those of all modules that go with them."""
    with_heads = [n for n, m in backbone.named_modules() if n and hasattr(m, "num_heads")]
    return find_sublayers(backbone, image, with_heads)


def original(network: nn.Module, module_path: str) -> nn.Module:
    """Return the self-attention."""
    return network.get_submodule(module_path)


def put(network: nn.Module, module_path: str, module: nn.Module) -> None:
    """Replace the self-attention by a module."""
    replace_module(network, module_path, module)
