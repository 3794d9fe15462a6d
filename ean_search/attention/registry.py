"""Attention modules by name: those of this folder, and the light ones of timm.

To add one, write a class as attention/base.py describes, anywhere, and name it as `module:Class`;
or add a file to this folder and a line to ATTENTIONS.
"""

from collections.abc import Callable
from typing import Any

from timm.layers.create_attn import get_attn
from torch import nn

from ean_search.attention.base import DECLARED_NAMES, Attention, AttentionSite, as_attention
from ean_search.attention.layout import CHANNELS_FIRST, CHANNELS_LAST, LayoutAdapter
from ean_search.attention.unit_gate import set_unit_gates
from ean_search.utils.errors import UserError, unknown_name
from ean_search.utils.registry import lookup

ATTENTIONS = {
    "se": "ean_search.attention.se:SE",
    "sge": "ean_search.attention.sge:SGE",
    "dia": "ean_search.attention.dia:DIA",
    "spa": "ean_search.attention.spa:SPA",
    "asr": "ean_search.attention.asr:ASR",
    "simam": "ean_search.attention.simam:SimAM",
    "srm": "ean_search.attention.srm:SRM",
    "triplet": "ean_search.attention.triplet:Triplet",
    "ema_attention": "ean_search.attention.ema_attention:EMAAttention",
    "fca": "ean_search.attention.fca:FCA",
    "mrla_light": "ean_search.attention.mrla_light:MRLALight",
    "mrla_base": "ean_search.attention.mrla_base:MRLABase",
    "mrla_write": "ean_search.attention.mrla_base:MRLAWrite",
    "depthwise": "ean_search.attention.depthwise:Depthwise",
    "broad": "ean_search.attention.broad:Broad",
    "key_only": "ean_search.attention.key_only:KeyOnly",
    "full": "ean_search.attention.full_attention:FullAttention",
    "own": "ean_search.attention.own:Own",
}
# Further names that timm knows; its own registry cannot be listed. The first ones scale a map.
TIMM_GATES = tuple("ese eca ecam ceca ge gc gca cbam lcbam coord scoord ela strip".split())
TIMM_ATTENTIONS = (*TIMM_GATES, *"sk splat lambda bottleneck halo nl bat".split())


def find_attention(name: str | type[nn.Module]) -> type[Attention]:
    """Return the class of an attention.

    Args:
        name: A key of ATTENTIONS, one of TIMM_ATTENTIONS, `module:Class`, or a class itself; a
            `functools.partial` of a class will do.

    Raises:
        UserError: If the name is none of these, or names no module class.
    """
    if not isinstance(name, str):
        return as_attention(name)
    if name in ATTENTIONS or ":" in name:
        kind = lookup(name, ATTENTIONS, "attention")
        try:
            return as_attention(kind)
        except UserError as error:
            raise UserError(f"{name!r} is no attention: {error}") from error
    if name not in TIMM_ATTENTIONS:
        raise unknown_name("attention", name, [*ATTENTIONS, *TIMM_ATTENTIONS])
    return as_attention(get_attn(name))


def make_attention(
    name: str | type[nn.Module], channels: int, *, unit_gate: bool = False, **options: Any
) -> Attention:
    """Build an attention for maps with channels first.

    Args:
        name: The attention's name, see `find_attention`.
        channels: Channels of the map.
        unit_gate: Scale its gates to a mean of 1, see attention/unit_gate.py.
        **options: Options of the attention's constructor.

    Raises:
        UserError: If the name is unknown, the options do not fit, or there is no gate to scale.
    """
    attention = _build(name, find_attention(name), channels, options)
    if unit_gate:
        set_unit_gates(attention, str(name), channels)
    return attention


def make_attention_for_site(
    site: AttentionSite, name: str | type[nn.Module], *, unit_gate: bool = False, **options: Any
) -> Attention:
    """Build an attention for a site, with an adapter where layouts or numbers of maps differ.

    Args:
        site: The site.
        name: The attention's name, see `find_attention`.
        unit_gate: Scale its gates to a mean of 1, see attention/unit_gate.py.
        **options: Options of the attention's constructor.

    Raises:
        UserError: If the name is unknown, the options do not fit, or there is no gate to scale.
    """
    kind = find_attention(name)
    if kind.takes_tokens:
        if unit_gate:
            raise UserError(f"{name}: has no gate to scale to a mean of 1: --no-unit-gate")
        attention = _build(name, kind.from_site, site, options)
    else:
        attention = make_attention(name, site.channels, unit_gate=unit_gate, **options)
    return fit_to_site(attention, site)


def fit_to_site(attention: Attention, site: AttentionSite) -> Attention:
    """Put an attention into an adapter if the layout or the number of maps of a site differ."""
    layout = site.layout
    if attention.takes_tokens and layout != CHANNELS_LAST:
        layout = CHANNELS_FIRST
    if layout == CHANNELS_FIRST and attention.num_inputs == site.num_maps:
        return attention
    return LayoutAdapter(attention, layout, site.prefix, site.num_maps)


def _build(
    name: str | type[nn.Module],
    make: Callable[..., Attention],
    where: Any,
    options: dict[str, Any],
) -> Attention:
    try:
        attention = make(where, **options)
    except (TypeError, AssertionError) as error:
        form = "; expected a constructor that takes the channels, and options by keyword"
        why = f"{error}{form if isinstance(make, type) and isinstance(error, TypeError) else ''}"
        raise UserError(f"attention {name!r} cannot be built with {options}: {why}") from error
    parts = {key for key, _ in attention.named_children()}
    parts |= {key for key, _ in attention.named_parameters(recurse=False)}
    parts |= {key for key, _ in attention.named_buffers(recurse=False)}
    if hidden := sorted(parts & DECLARED_NAMES):
        raise UserError(
            f"attention {name!r} calls a part of it {hidden[0]!r}, which is the name of a class "
            "attribute of attentions: give the part another name"
        )
    return attention
