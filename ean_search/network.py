"""A backbone with a slot at every site: build it, place attention in it, prune it.

The network is the backbone's own module; `place` sets what each slot computes, `prune` returns a
network without slots, in which an empty site has no module and costs nothing.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ean_search.attention import is_stateful, make_attention
from ean_search.attention.chain import Carry, Chained, link
from ean_search.lookup import UserError
from ean_search.sites import Site, find_sites, make_backbone, probe
from ean_search.space import Placement, Space


class Slot(nn.Module):
    """One site: the backbone's own module there, and the attentions it may carry instead."""

    choice: int | Tensor

    def __init__(self, site: Site, original: nn.Module | None, attentions: Sequence[nn.Module]):
        super().__init__()
        self.site = site
        self.original = original
        self.attentions = nn.ModuleList(attentions)
        self.choice = 0

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.choice, Tensor):
            return self._each(x, self.choice)
        if self.choice:
            return self.attentions[self.choice - 1](x)
        return x if self.original is None else self.original(x)

    def _each(self, x: Tensor, choices: Tensor) -> Tensor:
        """Give every sample of a batch its own choice."""
        out = x if self.original is None else self.original(x)
        for number, attention in enumerate(self.attentions, 1):
            mine = (choices == number).view(-1, 1, 1, 1)
            out = torch.where(mine, attention(x), out)
        return out


def build(space: Space, classes: int = 10, seed: int = 0) -> nn.Module:
    """Build the network of a space, with nothing attached yet."""
    probe(space)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make_backbone(space, classes)
        made: dict[tuple, nn.Module] = {}
        for site in find_sites(space):
            block = network.get_submodule(site.block)
            attentions = [_attention(space, site, k, made) for k in range(len(space.attention))]
            block.se = Slot(site, block.se, attentions)
    return network


def _attention(space: Space, site: Site, number: int, made: dict[tuple, nn.Module]) -> nn.Module:
    """Return a site's attention: its group's, if there is one already."""
    group = (number, *sharing_group(space, site))
    choice = space.attention[number]
    if group not in made:
        made[group] = make_attention(
            choice.name, site.channels, unit_gate=space.unit_gate, **choice.options
        )
    attention = made[group]
    if not is_stateful(attention):
        return attention
    carry = made.setdefault(("carry", number, site.stage, site.channels), Carry())
    return Chained(attention, carry)


def sharing_group(space: Space, site: Site) -> tuple[int, ...]:
    """Name the sites that share modules with this one."""
    return (site.stage, site.channels) if space.sharing == "stage" else (site.number,)


def slots(network: nn.Module) -> list[Slot]:
    """List a network's slots in the order they run."""
    found = (module for module in network.modules() if isinstance(module, Slot))
    return sorted(found, key=lambda slot: slot.site.number)


def place(network: nn.Module, placement: Placement) -> nn.Module:
    """Set every slot of a network to its choice, in place."""
    found = _fitting_slots(network, placement)
    for slot, choice in zip(found, placement.choices, strict=True):
        slot.choice = choice
    _link_chains(found)
    return network


def place_each(network: nn.Module, placements: Sequence[Placement]) -> nn.Module:
    """Give every sample of the next batch a placement of its own, in place."""
    found = _fitting_slots(network, placements[0])
    if any(isinstance(module, Chained) for module in network.modules()):
        raise UserError("a stateful attention needs one placement for the whole batch")
    device = next(network.parameters()).device
    choices = torch.tensor([placement.choices for placement in placements], device=device)
    for slot, column in zip(found, choices.unbind(1), strict=True):
        slot.choice = column
    return network


def prune(network: nn.Module, placement: Placement) -> nn.Module:
    """Return a copy of the network that has only what a placement uses."""
    # Set before copying: the copy must not carry per-sample choices along.
    pruned = place(copy.deepcopy(network), placement)
    for slot in slots(pruned):
        block = pruned.get_submodule(slot.site.block)
        block.se = slot.attentions[slot.choice - 1] if slot.choice else slot.original
    return pruned


def _fitting_slots(network: nn.Module, placement: Placement) -> list[Slot]:
    found = slots(network)
    if len(found) != len(placement):
        raise UserError(f"expected a placement of {len(found)} sites, got {placement}")
    return found


def _link_chains(found: list[Slot]) -> None:
    """Tell the attached sites of every chain which is first and which is last."""
    chains: dict[Carry, list[Chained]] = {}
    for slot in found:
        used = slot.attentions[slot.choice - 1] if slot.choice else None
        if isinstance(used, Chained):
            chains.setdefault(used.carry, []).append(used)
    for chain in chains.values():
        link(chain)
