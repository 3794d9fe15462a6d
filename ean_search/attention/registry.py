"""Attention modules by name: those written here, and every light one that timm has.

An attention is a module made from a channel count that maps x to y of the same shape, channels
first. What it needs beyond that it says by class attributes, all of them optional:

- `positions`: where it can go, the best first; on a residual branch or after a block by default.
- `takes = 2`: after a block it gets (x, previous), previous being the block's shortcut.
- `stateful = True`: it gets a state last, None at first, and gives (y, state). Sites whose
  attentions have the same `chain` hand it on; `finish(x, state)` may add the last one to the
  stage's output.
- `writes_only = True`: y is x; where no later site of the chain reads, it is not even run.
- `shared`: the names of its submodules that sites of a group share; everything by default.
- `at(site, **options)`: builds one from a site, for tokens or maps with channels first.
"""

from typing import Any

from timm.layers import get_attn
from torch import nn

from ean_search.attention.layout import CHANNELS_FIRST, CHANNELS_LAST, Adapted
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
    "full": "ean_search.attention.full_attention:Full",
}
# What timm's own registry has besides; it is an elif chain that cannot be listed.
TIMM_ATTENTIONS = tuple(
    "ese eca ecam ceca ge gc gca cbam lcbam coord scoord ela strip "
    "sk splat lambda bottleneck halo nl bat".split()
)
GATES = ("residual", "block")  # where an attention goes that says nothing else


def make_attention(
    name: str, channels: int, *, unit_gate: bool = False, **options: Any
) -> nn.Module:
    """Build an attention by its name, its gates scaled to a mean of 1 on request."""
    attention = _build(name, find_attention(name), channels, options)
    if unit_gate:
        set_unit_gates(attention, name, channels)
    return attention


def make_attention_at(
    site: Any, name: str, *, unit_gate: bool = False, **options: Any
) -> nn.Module:
    """Build an attention for the maps of a site."""
    kind = find_attention(name)
    takes, maps = getattr(kind, "takes", 1), 1 + (site.position == "block")
    if hasattr(kind, "at"):
        if unit_gate:
            raise UserError(f"{name}: has no gate to scale to a mean of 1: --no-unit-gate")
        attention = _build(name, kind.at, site, options)
        layout = CHANNELS_LAST if site.layout == CHANNELS_LAST else CHANNELS_FIRST
    else:
        attention = make_attention(name, site.channels, unit_gate=unit_gate, **options)
        layout = site.layout
    if layout == CHANNELS_FIRST and takes == maps:
        return attention
    return Adapted(attention, layout, site.prefix, takes, maps)


def positions_of(name: str) -> tuple[str, ...]:
    """Return the positions an attention can be at."""
    return getattr(find_attention(name), "positions", GATES)


def is_stateful(attention: nn.Module) -> bool:
    """Say whether an attention hands a state on to the next site."""
    return getattr(attention, "stateful", False)


def find_attention(name: str) -> Any:
    """Return the class of an attention."""
    if name in ATTENTIONS or ":" in name:
        return lookup(name, ATTENTIONS, "attention")
    if name not in TIMM_ATTENTIONS:
        raise unknown_name("attention", name, [*ATTENTIONS, *TIMM_ATTENTIONS])
    return get_attn(name)


def _build(name: str, kind: Any, where: Any, options: dict[str, Any]) -> nn.Module:
    try:
        return kind(where, **options)
    except (TypeError, AssertionError) as error:
        raise UserError(f"attention {name!r} cannot be built with {options}: {error}") from error
