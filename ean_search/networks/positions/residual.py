"""On the residual branch, just before the addition.

Blocks of ResNet, ResNeXt, RegNet, EfficientNet and MobileNet have an attribute `.se` there; its
value, a module or None, is replaced. Elsewhere the branch ends in a drop-path, or in an identity in
place of one, and the attention goes before that.
"""

from torch import Tensor, nn

from ean_search.networks.positions.wrappers import AttentionBefore, owner_and_name

DEPTH_BELOW_BLOCK = 1
DROP_PATH_NAMES = ("drop_path", "drop_path1", "drop_path2")


def module_paths(backbone: nn.Module, image: Tensor) -> list[str]:
    """List the attributes `.se`, or, where there are none, the ends of residual branches."""
    blocks = [name for name, module in backbone.named_modules() if hasattr(module, "se")]
    if blocks:
        return [f"{name}.se".lstrip(".") for name in blocks]
    return [
        f"{name}.{path}".lstrip(".")
        for name, module in backbone.named_modules()
        for path in DROP_PATH_NAMES
        if isinstance(getattr(module, path, None), nn.Module)
    ]


def original(network: nn.Module, module_path: str) -> nn.Module | None:
    """Return the value of an attribute `.se`."""
    owner, name = owner_and_name(network, module_path)
    return getattr(owner, name) if name == "se" else None


def put(network: nn.Module, module_path: str, module: nn.Module) -> None:
    """Put a module in place of `.se`, or before the drop-path."""
    owner, name = owner_and_name(network, module_path)
    setattr(owner, name, module if name == "se" else AttentionBefore(getattr(owner, name), module))
