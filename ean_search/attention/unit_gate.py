"""Gates whose mean is 1 at initialisation.

A fresh gate averages .5 (SE), .73 (SGE) or .25 (DIA), so switching a site rescales its residual
branch, and a weight-sharing network is asked about the scale before it is asked about attention.
Multiplying the gate by the inverse of its first mean takes that out. The factor sits on the gate,
not on the map, so it costs nothing; it is stored with the weights, because it belongs to them.
"""

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.utils.errors import UserError


class UnitGate(nn.Module):
    """A gate times the inverse of its mean at initialisation."""

    def __init__(self, gate: nn.Module):
        super().__init__()
        self.gate = gate
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(x) * self.scale


def set_unit_gates(attention: Attention, name: str, channels: int) -> None:
    """Wrapper every submodule called `gate` and set its scale from a forward pass on noise."""
    owners = [module for module in attention.modules() if isinstance(_gate(module), nn.Module)]
    if not owners:
        raise UserError(
            f"attention {name!r} has no submodule `gate` to scale to a mean of 1: --no-unit-gate"
        )
    for owner in owners:
        owner.gate = UnitGate(owner.gate)
    hooks = [owner.gate.gate.register_forward_hook(_set_scale(owner.gate)) for owner in owners]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(32, channels, 8, 8, generator=generator)
    with torch.no_grad():
        attention(noise, None) if attention.stateful else attention(noise)
    for hook in hooks:
        hook.remove()


def _gate(module: nn.Module) -> object:
    return None if isinstance(module, UnitGate) else getattr(module, "gate", None)


def _set_scale(unit: UnitGate):
    def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
        unit.scale.fill_(1 / float(output.mean()))

    return hook
