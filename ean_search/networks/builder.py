"""A backbone with a slot at every site: build it, place attention in it, prune it.

The network is the backbone's own module; `place` sets what each slot computes, `prune` returns a
network without slots, in which an empty site has no module and costs nothing.
"""

import copy
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.attention.own import Own
from ean_search.attention.state import ChainedAttention, ChainEnd, StateHolder, link_chain
from ean_search.core.space import Placement, Space, as_placement, load_space
from ean_search.networks.folding import foldable_factors, scale_norm
from ean_search.networks.plain_backbone import make_backbone
from ean_search.networks.positions.registry import find_position
from ean_search.networks.positions.wrappers import (
    WithChainEnds,
    replace_module,
    unwrap_modules,
)
from ean_search.networks.removal import STEP_BY_STEP, Zeros, remove_modules
from ean_search.networks.site import Site
from ean_search.networks.site_attentions import SiteAttentions
from ean_search.networks.sites import find_sites, probe
from ean_search.utils.errors import UserError


class Slot(nn.Module):
    """One site of a network: the backbone's own module there, and the attentions to choose from.

    Args:
        site: The site.
        original: The module of the backbone that an attention replaces; None: there is none, and an
            empty slot is the identity.
        attentions: One attention per choice of the space.

    Attributes:
        choice: 0: the original module; k: the k-th attention; a tensor: a choice for each image of
            the next batch. `place` and `place_per_sample` set it.
    """

    choice: int | Tensor
    batch_first = STEP_BY_STEP

    def __init__(self, site: Site, original: nn.Module | None, attentions: Sequence[nn.Module]):
        super().__init__()
        self.site = site
        self.original = original
        self.attentions = nn.ModuleList(attentions)
        self.choice = 0

    @property
    def attached(self) -> nn.Module | None:
        """Return the chosen attention, None if the site is empty."""
        assert isinstance(self.choice, int), "a slot with a choice per image has no single one"
        return self.attentions[self.choice - 1] if self.choice else None

    @property
    def chosen(self) -> nn.Module | None:
        """Return the module that a pruned network has here, None for the identity."""
        attention = self.attached
        idle = isinstance(attention, ChainedAttention) and attention.idle
        if isinstance(attention, Own):
            return attention.module
        return self.original if attention is None or idle else attention

    def forward(self, x: Tensor, *rest: Any, **named: Any) -> Any:
        """Compute the choice.

        Args:
            x: The map.
            *rest: The block's shortcut, or what else the backbone gives to its own module.
            **named: The same.
        """
        if isinstance(self.choice, Tensor):
            return self._forward_each(x, rest, named, self.choice)
        if self.choice:
            return self.attentions[self.choice - 1](x, *rest, **named)
        return x if self.original is None else self.original(x)

    def _forward_each(
        self, x: Tensor, rest: Sequence[Any], named: dict[str, Any], choices: Tensor
    ) -> Tensor:
        """Give every image of a batch its own choice."""
        out = x if self.original is None else self.original(x)
        # Windows of an image follow each other in the batch.
        by_row = choices.repeat_interleave(len(x) // len(choices)).view(-1, *[1] * (x.dim() - 1))
        for number, attention in enumerate(self.attentions, 1):
            out = torch.where(by_row == number, attention(x, *rest, **named), out)
        return out


def build(space: Space | str, classes: int = 10, seed: int = 0) -> nn.Module:
    """Build the network of a space, with nothing attached yet.

    Args:
        space: The space, or its name; its sites need not be known yet.
        classes: The number of classes.
        seed: The seed of the initial weights. Those of the backbone do not depend on the attention.

    Returns:
        The backbone with a `Slot` at every site.

    Raises:
        UserError: If the backbone or an attention cannot be built, or the sites do not fit.
    """
    space = load_space(space)
    probe(space)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make_backbone(space, classes)
        attentions = SiteAttentions(space)
        for site in find_sites(space):
            position = find_position(site.position)
            own = position.original(network, site.module_path)
            original = _without_own(site) if space.removes_own and own is not None else own
            slot = Slot(site, original, attentions.make(site, own))
            position.put(network, site.module_path, slot)
        _add_chain_ends(network)
    return network


def _without_own(site: Site) -> nn.Module:
    """Make what an empty site has in place of the backbone's own module."""
    return Zeros(site.returned) if site.removed else nn.Identity()


def _add_chain_ends(network: nn.Module) -> None:
    """Put the ends of chains whose last state is added to a stage's output after the stages."""
    for _, group in groupby(slots(network), key=lambda slot: slot.site.stage):
        stage = list(group)
        ending: dict[StateHolder, Attention] = {}
        for slot in stage:
            for chained in slot.attentions:
                if isinstance(chained, ChainedAttention) and chained.attention.finishes_stage:
                    ending[chained.holder] = chained.attention
        if ending:
            path = stage[-1].site.block
            ends = [ChainEnd(attention, holder) for holder, attention in ending.items()]
            replace_module(network, path, WithChainEnds(network.get_submodule(path), ends))


def slots(network: nn.Module) -> list[Slot]:
    """List a network's slots in the order they run.

    Args:
        network: A network of `build`, or a module that contains one.

    Returns:
        One slot per site; none for a pruned network.
    """
    found = (module for module in network.modules() if isinstance(module, Slot))
    return sorted(found, key=lambda slot: slot.site.number)


def place(network: nn.Module, placement: Placement | str) -> nn.Module:
    """Set every slot of a network to its choice, in place, and return the network.

    Args:
        network: A network of `build`.
        placement: A placement for as many sites as the network has, or its text.

    Raises:
        UserError: If the number of sites is another one.

    Example:
        >>> space = probe(load_space("tiny"))
        >>> network = place(build(space, classes=10), space.parse("1010"))
    """
    found = slots(network)
    placement = as_placement(placement, len(found))
    for slot, choice in zip(found, placement.choices, strict=True):
        if choice > len(slot.attentions):
            highest = len(slot.attentions)
            raise UserError(f"expected choices 0 to {highest} at the sites, got {placement}")
        slot.choice = choice
    _link_chains(network, found)
    return network


def place_per_sample(network: nn.Module, placements: Sequence[Placement]) -> nn.Module:
    """Give every image of the next batch its own placement, in place.

    Args:
        network: A network of `build` whose attentions are not stateful.
        placements: One placement per image.

    Returns:
        The same network.

    Raises:
        UserError: If an attention is stateful, or the number of sites is another one.
    """
    found = _matching_slots(network, placements[0])
    if any(isinstance(module, ChainedAttention) for module in network.modules()):
        raise UserError("a stateful attention needs one placement for the whole batch")
    device = next(network.parameters()).device
    choices = torch.tensor([placement.choices for placement in placements], device=device)
    for slot, column in zip(found, choices.unbind(1), strict=True):
        slot.choice = column
    return network


def prune(network: nn.Module, placement: Placement | str, *, fold: bool = True) -> nn.Module:
    """Return a copy of a network that has only the modules that a placement uses.

    Args:
        network: A network of `build`; its placement is left as it is.
        placement: A placement for as many sites as the network has, or its text.
        fold: Put factors that depend on no image, those of `asr`, into the norms before them. A
            network that is to be trained, or to get trained weights, needs them as they are.

    Returns:
        A plain backbone with the attentions of the placement, which computes the same.

    Raises:
        UserError: If the number of sites is another one.
    """
    return _prune_in_place(copy.deepcopy(network), placement, fold)


def fold_placement(network: nn.Module, placement: Placement) -> Placement:
    """Return the placement that is left when constant factors are in the norms before their sites.

    Args:
        network: A network of `build`; the placement is set in it.
        placement: The placement.
    """
    folded = {
        slot.site.number for slot in foldable_factors(network, slots(place(network, placement)))
    }
    choices = [0 if site in folded else c for site, c in enumerate(placement.choices)]
    return Placement(tuple(choices), placement.stages)


def paths_before_pruning(network: nn.Module, placement: Placement) -> dict[str, str]:
    """Map the paths of modules in the pruned network to their paths in the network with slots.

    Args:
        network: A network of `build`.
        placement: The placement of the pruned network.
    """
    copied = copy.deepcopy(network)
    before = {module: path for path, module in copied.named_modules()}
    pruned = _prune_in_place(copied, placement, fold=False)
    return {path: before[module] for path, module in pruned.named_modules() if module in before}


def _prune_in_place(network: nn.Module, placement: Placement | str, fold: bool) -> nn.Module:
    place(network, placement)
    factors = foldable_factors(network, slots(network)) if fold else {}
    for slot, factor in factors.items():
        scale_norm(network.get_submodule(slot.site.norm), factor)
        slot.choice = 0
    for path, slot in list(network.named_modules()):
        if isinstance(slot, Slot):
            replace_module(network, path, slot.chosen)
            if isinstance(slot.chosen, Zeros):
                remove_modules(network, slot.site.removed)
    unwrap_modules(network)
    return network


def _matching_slots(network: nn.Module, placement: Placement) -> list[Slot]:
    found = slots(network)
    if len(found) != len(placement):
        raise UserError(f"expected a placement of {len(found)} sites, got {placement}")
    return found


def _link_chains(network: nn.Module, found: list[Slot]) -> None:
    """Tell the attached sites of every chain which is first and which is last."""
    ends = {m.holder: m for m in network.modules() if isinstance(m, ChainEnd)}
    chains: dict[StateHolder, list[ChainedAttention]] = {holder: [] for holder in ends}
    for slot in found:
        if isinstance(slot.attached, ChainedAttention):
            chains.setdefault(slot.attached.holder, []).append(slot.attached)
    for holder, chain in chains.items():
        link_chain(chain, ends.get(holder))
