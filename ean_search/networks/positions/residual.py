"""On the residual branch, just before the addition.

Blocks of ResNet, ResNeXt, RegNet, EfficientNet and MobileNet have an attribute `.se` there; its
value, a module or None, is replaced. Other backbones may have gates of their own, such as ECA: they
are replaced. Elsewhere the branch ends in a drop-path, or in an identity in place of one, and the
attention goes before that.
"""

from functools import cache, partial
from typing import Any

from timm.layers.create_attn import get_attn
from torch import nn

from ean_search.attention.registry import TIMM_GATES
from ean_search.networks.example import Example
from ean_search.networks.positions.wrappers import AttentionBefore, owner_and_name

DEPTH_BELOW_BLOCK = 1
DROP_PATH_NAMES = ("drop_path", "drop_path1", "drop_path2")


def module_paths(backbone: nn.Module, example: Example) -> list[str]:
    """List the attributes `.se`, or, where there are none, own gates, or the ends of branches."""
    blocks = [name for name, module in backbone.named_modules() if _has_se(module)]
    if blocks:
        return [f"{name}.se".lstrip(".") for name in blocks]
    gates = [name for name, module in backbone.named_modules() if _is_gate(module)]
    return gates or [
        f"{name}.{path}".lstrip(".")
        for name, module in backbone.named_modules()
        for path in DROP_PATH_NAMES
        if isinstance(getattr(module, path, None), nn.Module)
    ]


def removable(backbone: nn.Module, example: Example) -> None:
    """Return None: without its gate, a branch is what it was before the gate."""


def original(network: nn.Module, module_path: str) -> nn.Module | None:
    """Return the value of an attribute `.se`, or the gate."""
    owner, name = owner_and_name(network, module_path)
    return getattr(owner, name) if name not in DROP_PATH_NAMES else None


def put(network: nn.Module, module_path: str, module: nn.Module) -> None:
    """Put a module in place of `.se` or the gate, or before the drop-path."""
    owner, name = owner_and_name(network, module_path)
    ends = name in DROP_PATH_NAMES
    setattr(owner, name, AttentionBefore(getattr(owner, name), module) if ends else module)


def _has_se(module: nn.Module) -> bool:
    """Say whether a module has an attribute `.se` for a gate, be it empty."""
    return isinstance(getattr(module, "se", 0), nn.Module | None)


def _is_gate(module: nn.Module) -> bool:
    return isinstance(module, _gate_classes())


@cache
def _gate_classes() -> tuple[type[nn.Module], ...]:
    makers = [get_attn(name) for name in ("se", *TIMM_GATES)]
    classes: list[Any] = [make.func if isinstance(make, partial) else make for make in makers]
    return tuple(classes)
