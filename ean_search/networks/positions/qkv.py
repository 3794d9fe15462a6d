"""After the projection to queries, keys and values of a self-attention, for broad attention."""

from torch import nn

from ean_search.networks.example import Example
from ean_search.networks.positions.wrappers import AttentionAfter, replace_module

DEPTH_BELOW_BLOCK = 2


def module_paths(backbone: nn.Module, example: Example) -> list[str]:
    """List the joint projections of self-attentions."""
    return [
        f"{name}.qkv"
        for name, module in backbone.named_modules()
        if isinstance(getattr(module, "qkv", None), nn.Linear) and hasattr(module, "num_heads")
    ]


def removable(backbone: nn.Module, example: Example) -> None:
    """Return None: the projection stays."""


def original(network: nn.Module, module_path: str) -> None:
    """Return None: nothing is replaced."""
    return None


def put(network: nn.Module, module_path: str, module: nn.Module) -> None:
    """Put a module after the projection."""
    projection = network.get_submodule(module_path)
    replace_module(network, module_path, AttentionAfter(projection, module))
