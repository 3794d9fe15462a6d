"""Gates whose mean is 1 at initialisation.

A new gate has a mean of 0.5 (SE), 0.73 (SGE) or 0.25 (DIA), so switching a site on rescales its
residual branch, and the comparison of placements in a weight-sharing network is first of all one of
scales. Multiplying the gate by the inverse of its first mean removes that effect. The factor is
applied to the gate, not to the map, so it costs nothing; it is a buffer, stored with the weights.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.utils.errors import UserError


class UnitGate(nn.Module):
    """A gate times the inverse of its mean at initialisation."""

    scale: Tensor

    def __init__(self, gate: nn.Module):
        super().__init__()
        self.gate = gate
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(x) * self.scale


def set_unit_gates(attention: Attention, name: str, channels: int) -> None:
    """Wrap every submodule called `gate` and set its scale from a forward pass on noise.

    Args:
        attention: The attention, which takes a map with channels first.
        name: Its name, for the error message.
        channels: Channels of the map.

    Raises:
        UserError: If it has no submodule of that name.
    """
    gates = [(module, gate) for module in attention.modules() if (gate := _gate_of(module))]
    if not gates:
        raise UserError(
            f"attention {name!r} has no submodule `gate` to scale to a mean of 1: --no-unit-gate"
        )
    hooks = []
    for owner, gate in gates:
        unit = UnitGate(gate)
        owner.gate = unit
        hooks.append(gate.register_forward_hook(_scale_setter(unit)))
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(32, channels, 8, 8, generator=generator)
    with torch.no_grad():
        attention(noise, None) if attention.stateful else attention(noise)
    for hook in hooks:
        hook.remove()


def _gate_of(module: nn.Module) -> nn.Module | None:
    gate = None if isinstance(module, UnitGate) else getattr(module, "gate", None)
    return gate if isinstance(gate, nn.Module) else None


def _scale_setter(unit: UnitGate) -> Callable[[nn.Module, object, Tensor], None]:
    """Return a forward hook of a gate that sets the scale of its unit gate."""

    def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
        unit.scale.fill_(1 / float(output.mean()))

    return hook
