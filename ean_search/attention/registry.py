"""Attention modules by name: those written here, and every light one that timm has.

To add one: a file in this folder, or anywhere, and a line in ATTENTIONS, or the name
`module:Class`; `check_attention` tries out what `base.py` promises for it.
"""

from typing import Any

from timm.layers import get_attn

from ean_search.attention.base import Attention, AttentionSite, as_attention
from ean_search.attention.layout import CHANNELS_FIRST, CHANNELS_LAST, LayoutAdapter
from ean_search.attention.unit_gate import set_unit_gates
from ean_search.utils.errors import UserError, unknown_name
from ean_search.utils.registry import lookup

ATTENTIONS = {
    "se": "ean_search.attention.se:SE",
    "sge": "ean_search.attention.sge:SGE",
    "dia": "ean_search.attention.dia:DIA",
    "spa": "ean_search.attention.spa:SPA",
    "mrla_light": "ean_search.attention.mrla_light:MRLALight",
    "mrla_base": "ean_search.attention.mrla_base:MRLABase",
    "mrla_write": "ean_search.attention.mrla_base:MRLAWrite",
    "depthwise": "ean_search.attention.depthwise:Depthwise",
    "broad": "ean_search.attention.broad:Broad",
    "key_only": "ean_search.attention.key_only:KeyOnly",
    "full": "ean_search.attention.full_attention:FullAttention",
}
# What timm's own registry has besides; it is an elif chain that cannot be listed.
TIMM_ATTENTIONS = tuple(
    "ese eca ecam ceca ge gc gca cbam lcbam coord scoord ela strip "
    "sk splat lambda bottleneck halo nl bat".split()
)


def find_attention(name: str) -> type[Attention]:
    """Return the class of an attention.

    Args:
        name: A key of ATTENTIONS, one of TIMM_ATTENTIONS, or `module:Class`.

    Raises:
        UserError: If the name is none of these.
    """
    if name in ATTENTIONS or ":" in name:
        return as_attention(lookup(name, ATTENTIONS, "attention"))
    if name not in TIMM_ATTENTIONS:
        raise unknown_name("attention", name, [*ATTENTIONS, *TIMM_ATTENTIONS])
    return as_attention(get_attn(name))


def make_attention(
    name: str, channels: int, *, unit_gate: bool = False, **options: Any
) -> Attention:
    """Build an attention by its name, its gates scaled to a mean of 1 on request."""
    attention = _build(name, find_attention(name), channels, options)
    if unit_gate:
        set_unit_gates(attention, name, channels)
    return attention


def make_attention_for_site(
    site: AttentionSite, name: str, *, unit_gate: bool = False, **options: Any
) -> Attention:
    """Build an attention for the maps of a site, with an adapter where the layouts differ."""
    kind = find_attention(name)
    if kind.takes_tokens:
        if unit_gate:
            raise UserError(f"{name}: has no gate to scale to a mean of 1: --no-unit-gate")
        attention = _build(name, kind.from_site, site, options)
        layout = CHANNELS_LAST if site.layout == CHANNELS_LAST else CHANNELS_FIRST
    else:
        attention = make_attention(name, site.channels, unit_gate=unit_gate, **options)
        layout = site.layout
    if layout == CHANNELS_FIRST and kind.num_inputs == site.num_maps:
        return attention
    return LayoutAdapter(attention, layout, site.prefix, site.num_maps)


def _build(name: str, make: Any, where: Any, options: dict[str, Any]) -> Attention:
    try:
        return make(where, **options)
    except (TypeError, AssertionError) as error:
        raise UserError(f"attention {name!r} cannot be built with {options}: {error}") from error
