"""On the residual branch, just before the addition.

Families of ResNet, ResNeXt, RegNet, EfficientNet and MobileNet keep a place there that is called
`.se`; what is in it is replaced. Elsewhere the branch ends in a drop-path, or in the identity that
stands in for it, and the attention comes before that.
"""

from torch import Tensor, nn

from ean_search.networks.positions.wrappers import AttentionBefore, child

DEPTH = 1
PATHS = ("drop_path", "drop_path1", "drop_path2")


def module_paths(backbone: nn.Module, _: Tensor) -> list[str]:
    """List the places called `.se`, or the ends of branches where there are none."""
    found = [name for name, module in backbone.named_modules() if hasattr(module, "se")]
    if found:
        return [f"{name}.se".lstrip(".") for name in found]
    return [
        f"{name}.{path}".lstrip(".")
        for name, module in backbone.named_modules()
        for path in PATHS
        if isinstance(getattr(module, path, None), nn.Module)
    ]


def original(network: nn.Module, module_path: str) -> nn.Module | None:
    """Return what is in a place called `.se`."""
    owner, name = child(network, module_path)
    return getattr(owner, name) if name == "se" else None


def put(network: nn.Module, module_path: str, module: nn.Module) -> None:
    """Put a module there."""
    owner, name = child(network, module_path)
    setattr(owner, name, module if name == "se" else AttentionBefore(getattr(owner, name), module))
