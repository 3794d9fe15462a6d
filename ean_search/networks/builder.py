"""A backbone with a slot at every site: build it, place attention in it, prune it.

The network is the backbone's own module; `place` sets what each slot computes, `prune` returns a
network without slots, in which an empty site has no module and costs nothing.
"""

import copy
from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from ean_search.attention.layout import LayoutAdapter
from ean_search.attention.registry import find_attention, make_attention_for_site
from ean_search.attention.state import ChainedAttention, ChainEnd, StateHolder, link
from ean_search.core.space import Placement, Space
from ean_search.networks.positions.registry import find_position
from ean_search.networks.positions.wrappers import WithChainEnds, replace, unwrap
from ean_search.networks.sites import Site, find_sites, make_backbone, probe
from ean_search.utils.errors import UserError


class Slot(nn.Module):
    """One site: the backbone's own module there, and the attentions it may carry instead."""

    choice: int | Tensor

    def __init__(self, site: Site, original: nn.Module | None, attentions: Sequence[nn.Module]):
        super().__init__()
        self.site = site
        self.original = original
        self.attentions = nn.ModuleList(attentions)
        self.choice = 0

    @property
    def chosen(self) -> nn.Module | None:
        """Return what the slot has chosen, None being its input as it is."""
        attention = self.attentions[self.choice - 1] if self.choice else None
        idle = isinstance(attention, ChainedAttention) and attention.idle
        return self.original if attention is None or idle else attention

    def forward(self, x: Tensor, *previous: Tensor) -> Tensor:
        if isinstance(self.choice, Tensor):
            return self._each(x, previous, self.choice)
        if self.choice:
            return self.attentions[self.choice - 1](x, *previous)
        return x if self.original is None else self.original(x)

    def _each(self, x: Tensor, previous: Sequence[Tensor], choices: Tensor) -> Tensor:
        """Give every sample of a batch its own choice."""
        out = x if self.original is None else self.original(x)
        for number, attention in enumerate(self.attentions, 1):
            mine = (choices == number).view(-1, *[1] * (x.dim() - 1))
            out = torch.where(mine, attention(x, *previous), out)
        return out


def build(space: Space, classes: int = 10, seed: int = 0) -> nn.Module:
    """Build the network of a space, with nothing attached yet."""
    probe(space)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make_backbone(space, classes)
        made: dict[tuple, nn.Module] = {}
        for site in find_sites(space):
            position = find_position(site.position)
            original = position.original(network, site.module_path)
            attentions = [_attention(space, site, k, made) for k in range(len(space.attention))]
            position.put(network, site.module_path, Slot(site, original, attentions))
        _finish_chains(network)
    return network


def _attention(space: Space, site: Site, number: int, made: dict[tuple, nn.Module]) -> nn.Module:
    """Return a site's attention, which may be its group's, or share parts with it."""
    choice = space.attention[number]
    kind = find_attention(choice.name)
    parts = kind.shared if space.sharing != "whole" else None
    chain_name = number if kind.chain is None else kind.chain
    group = (chain_name if parts else number, *sharing_group(space, site))
    attention = made.get(group)
    if attention is None or parts:
        attention = make_attention_for_site(
            site, choice.name, unit_gate=space.unit_gate, **choice.options
        )
        first = made.setdefault(group, attention)
        for part in parts or ():
            setattr(_core(attention), part, getattr(_core(first), part))
    if not attention.stateful:
        return attention
    chain = (chain_name, site.stage, site.channels, site.partition)
    return ChainedAttention(attention, made.setdefault(("holder", *chain), StateHolder()))


def _core(attention: nn.Module) -> nn.Module:
    return attention.attention if isinstance(attention, LayoutAdapter) else attention


def _finish_chains(network: nn.Module) -> None:
    """Put the ends of chains whose last state is a part of the output behind their stages."""
    for _, stage in groupby(slots(network), key=lambda slot: slot.site.stage):
        found = list(stage)
        ends: dict[StateHolder, nn.Module] = {}
        for slot in found:
            for chained in slot.attentions:
                if isinstance(chained, ChainedAttention) and chained.attention.finishes_stage:
                    ends[chained.holder] = chained.attention
        if ends:
            last = found[-1].site.block
            finishes = [ChainEnd(attention, holder) for holder, attention in ends.items()]
            replace(network, last, WithChainEnds(network.get_submodule(last), finishes))


def sharing_group(space: Space, site: Site) -> tuple[object, ...]:
    """Name the sites that share modules with this one."""
    if space.sharing == "none":
        return (site.number,)
    return (site.stage, site.channels, site.layout, site.prefix, *site.partition)


def slots(network: nn.Module) -> list[Slot]:
    """List a network's slots in the order they run."""
    found = (module for module in network.modules() if isinstance(module, Slot))
    return sorted(found, key=lambda slot: slot.site.number)


def place(network: nn.Module, placement: Placement) -> nn.Module:
    """Set every slot of a network to its choice, in place."""
    found = _fitting_slots(network, placement)
    for slot, choice in zip(found, placement.choices, strict=True):
        slot.choice = choice
    _link_chains(network, found)
    return network


def place_per_sample(network: nn.Module, placements: Sequence[Placement]) -> nn.Module:
    """Give every sample of the next batch a placement of its own, in place."""
    found = _fitting_slots(network, placements[0])
    if any(isinstance(module, ChainedAttention) for module in network.modules()):
        raise UserError("a stateful attention needs one placement for the whole batch")
    device = next(network.parameters()).device
    choices = torch.tensor([placement.choices for placement in placements], device=device)
    for slot, column in zip(found, choices.unbind(1), strict=True):
        slot.choice = column
    return network


def prune(network: nn.Module, placement: Placement) -> nn.Module:
    """Return a copy of the network that has only what a placement uses."""
    return _prune_in_place(copy.deepcopy(network), placement)


def paths_before_pruning(network: nn.Module, placement: Placement) -> dict[str, str]:
    """Map the paths of modules in the pruned network to their paths in the network with slots."""
    copied = copy.deepcopy(network)
    before = {module: path for path, module in copied.named_modules()}
    pruned = _prune_in_place(copied, placement)
    return {path: before[module] for path, module in pruned.named_modules() if module in before}


def _prune_in_place(network: nn.Module, placement: Placement) -> nn.Module:
    place(network, placement)
    for path, slot in list(network.named_modules()):
        if isinstance(slot, Slot):
            replace(network, path, slot.chosen)
    unwrap(network)
    return network


def _fitting_slots(network: nn.Module, placement: Placement) -> list[Slot]:
    found = slots(network)
    if len(found) != len(placement):
        raise UserError(f"expected a placement of {len(found)} sites, got {placement}")
    return found


def _link_chains(network: nn.Module, found: list[Slot]) -> None:
    """Tell the attached sites of every chain which is first and which is last."""
    chains: dict[StateHolder, list[ChainedAttention]] = {}
    finishes = {m.holder: m for m in network.modules() if isinstance(m, ChainEnd)}
    for holder in finishes:
        chains[holder] = []
    for slot in found:
        used = slot.attentions[slot.choice - 1] if slot.choice else None
        if isinstance(used, ChainedAttention):
            chains.setdefault(used.holder, []).append(used)
    for holder, chain in chains.items():
        link(chain, finishes.get(holder))
