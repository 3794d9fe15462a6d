"""Constant factors of channels go into the norm before a site, which is then empty."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ean_search.attention.base import Attention
from ean_search.networks.example import Example

if TYPE_CHECKING:
    from ean_search.networks.builder import Slot


def norms_before(
    backbone: nn.Module, example: Example, modules: Mapping[str, nn.Module]
) -> dict[str, str]:
    """Pass an example through a backbone, and find the norms whose output is a module's input.

    Args:
        backbone: The backbone.
        example: What one forward pass takes; on the device "meta", nothing is computed.
        modules: Modules of it, by any names.

    Returns:
        The paths of the norms, by the names of the modules that have one before them.
    """
    outputs: dict[str, Tensor] = {}
    found: dict[str, str] = {}

    def record(path: str, norm: nn.Module, inputs: object, output: Tensor) -> None:
        outputs[path] = output

    def match(name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        for path, output in outputs.items():
            if output is inputs[0]:
                found[name] = path

    norms = {path: m for path, m in backbone.named_modules() if isinstance(m, _BatchNorm)}
    handles = [norm.register_forward_hook(partial(record, path)) for path, norm in norms.items()]
    handles += [m.register_forward_pre_hook(partial(match, name)) for name, m in modules.items()]
    example.run(backbone)
    for handle in handles:
        handle.remove()
    return found


def foldable_factors(network: nn.Module, slots: Sequence["Slot"]) -> dict["Slot", Tensor]:
    """Return the factors of attached sites that can go into the norms before them.

    Args:
        network: A network with slots, in which a placement is set.
        slots: Its slots.
    """
    factors = {slot: foldable_factor(network, slot, slot.attached) for slot in slots}
    return {slot: factor for slot, factor in factors.items() if factor is not None}


def foldable_factor(network: nn.Module, slot: "Slot", attention: nn.Module | None) -> Tensor | None:
    """Return the constant factors of an attention at a site, if the norm there takes them.

    Args:
        network: The network of the slot.
        slot: The slot of the site.
        attention: The attention; None: there is none.
    """
    factors = attention.constant_factor() if isinstance(attention, Attention) else None
    return factors if factors is not None and takes_factors(network, slot, factors) else None


def takes_factors(network: nn.Module, slot: "Slot", factors: Tensor) -> bool:
    """Say whether the norm before a site, and the activation inside it, can be scaled.

    Args:
        network: The network of the slot.
        slot: The slot; the backbone must have no module there.
        factors: One for each channel.
    """
    if not slot.site.norm or not isinstance(slot.original, nn.Identity | None):
        return False
    norm: Any = network.get_submodule(slot.site.norm)
    activation = getattr(norm, "act", None)
    if activation is None or isinstance(activation, nn.Identity):
        return bool(norm.affine)
    return norm.affine and isinstance(activation, nn.ReLU) and bool((factors >= 0).all())


def scale_norm(norm: nn.Module, factors: Tensor) -> None:
    """Multiply the output of a norm by a factor for each channel, in place.

    Args:
        norm: The norm before a site that `takes_factors`.
        factors: One for each channel.
    """
    assert isinstance(norm, _BatchNorm), "only norms take factors"
    factors = factors.to(norm.weight)
    norm.weight.data *= factors
    norm.bias.data *= factors
