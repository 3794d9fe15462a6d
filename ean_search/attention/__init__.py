"""Attention modules by name: those written here, and every light one that timm has.

An attention is a module made from a channel count. A plain one maps x to y of the same shape; a
stateful one (`stateful = True`) maps (x, state) to (y, state) and starts from the state None.
"""

from typing import Any

from timm.layers import get_attn
from torch import nn

from ean_search.attention.unit_gate import set_unit_gates
from ean_search.lookup import UserError, lookup, unknown

ATTENTIONS = {
    "se": "ean_search.attention.se:SE",
    "sge": "ean_search.attention.sge:SGE",
    "dia": "ean_search.attention.dia:DIA",
    "spa": "ean_search.attention.spa:SPA",
}
# What timm's own registry has besides; it is an elif chain that cannot be listed.
TIMM_ATTENTIONS = tuple(
    "ese eca ecam ceca ge gc gca cbam lcbam coord scoord ela strip "
    "sk splat lambda bottleneck halo nl bat".split()
)


def make_attention(
    name: str, channels: int, *, unit_gate: bool = False, **options: Any
) -> nn.Module:
    """Build an attention by its name, its gates scaled to a mean of 1 on request."""
    kind = _find(name)
    try:
        attention = kind(channels, **options)
    except (TypeError, AssertionError) as error:
        raise UserError(f"attention {name!r} cannot be built with {options}: {error}") from error
    if unit_gate:
        set_unit_gates(attention, name, channels)
    return attention


def is_stateful(attention: nn.Module) -> bool:
    """Say whether an attention hands a state on to the next site."""
    return getattr(attention, "stateful", False)


def _find(name: str) -> Any:
    if name in ATTENTIONS or ":" in name:
        return lookup(name, ATTENTIONS, "attention")
    if name not in TIMM_ATTENTIONS:
        raise unknown("attention", name, [*ATTENTIONS, *TIMM_ATTENTIONS])
    return get_attn(name)
