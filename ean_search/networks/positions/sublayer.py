"""In place of a self-attention that is a sublayer of its own in a residual block.

Vision transformers compute x + attention(norm(x)), and have a number of heads in the module
`attention`. Where a norm comes last, the position is that of the norm.
"""

from torch import nn

from ean_search.networks.example import Example
from ean_search.networks.positions.wrappers import replace_module
from ean_search.networks.removal import find_sublayers

DEPTH_BELOW_BLOCK = 1


def module_paths(backbone: nn.Module, example: Example) -> list[str]:
    """List the modules at which self-attentions can be switched off."""
    return list(removable(backbone, example))


def removable(backbone: nn.Module, example: Example) -> dict[str, tuple[str, ...]]:
    """Map the paths of `module_paths` to those of all modules that go with them."""
    candidates = [path for n, m in backbone.named_modules() if n for path in _candidates(n, m)]
    return find_sublayers(backbone, example, candidates)


def _candidates(path: str, module: nn.Module) -> list[str]:
    """Return the paths of what may be a self-attention, the outer one first."""
    if hasattr(module, "num_heads"):
        return [path]
    # Where heads are called so, the projection of their output may be beside them.
    outer = [path.rpartition(".")[0]] if "." in path else []
    return [*outer, path] if hasattr(module, "num_attention_heads") else []


def original(network: nn.Module, module_path: str) -> nn.Module:
    """Return the self-attention."""
    return network.get_submodule(module_path)


def put(network: nn.Module, module_path: str, module: nn.Module) -> None:
    """Replace the self-attention by a module."""
    replace_module(network, module_path, module)
