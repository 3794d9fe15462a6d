"""At the queries, keys and values of a self-attention: a layer's membership in a broad one."""

from torch import Tensor, nn

from ean_search.networks.positions.wrappers import AttentionAfter, child

DEPTH = 2


def module_paths(backbone: nn.Module, _: Tensor) -> list[str]:
    """List the joint projections of self-attentions."""
    return [
        f"{name}.qkv"
        for name, module in backbone.named_modules()
        if isinstance(getattr(module, "qkv", None), nn.Linear) and hasattr(module, "num_heads")
    ]


def original(network: nn.Module, module_path: str) -> None:
    """Nothing is replaced."""
    return None


def put(network: nn.Module, module_path: str, module: nn.Module) -> None:
    """Let a module see them as they come by."""
    owner, name = child(network, module_path)
    setattr(owner, name, AttentionAfter(getattr(owner, name), module))
