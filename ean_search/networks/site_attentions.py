"""Makes the attentions of a space's sites, shared as the space says."""

from collections.abc import Hashable

from torch import nn

from ean_search.attention.base import Attention
from ean_search.attention.layout import LayoutAdapter
from ean_search.attention.own import Own
from ean_search.attention.registry import find_attention, make_attention_for_site
from ean_search.attention.state import ChainedAttention, StateHolder
from ean_search.core.attention_choice import OWN
from ean_search.core.space import Space
from ean_search.networks.site import Site


class SiteAttentions:
    """Makes the attentions of one site after another."""

    def __init__(self, space: Space):
        self.space = space
        self.first_of_group: dict[Hashable, Attention] = {}
        self.holders: dict[Hashable, StateHolder] = {}

    def make(self, site: Site, own: nn.Module | None) -> list[nn.Module]:
        """Make one attention per choice of the space.

        Args:
            site: The next site.
            own: The backbone's own module there, which the choice `own` stands for.
        """
        return [
            Own(site.channels, own) if choice.name == OWN else self._chained(site, number)
            for number, choice in enumerate(self.space.attention)
        ]

    def _chained(self, site: Site, number: int) -> nn.Module:
        chain = find_attention(self.space.attention[number].name).chain
        chain_name = number if chain is None else chain
        attention = self._shared(site, number, chain_name)
        if not attention.stateful:
            return attention
        key = (chain_name, site.stage, site.channels, site.partition)
        return ChainedAttention(attention, self.holders.setdefault(key, StateHolder()))

    def _shared(self, site: Site, number: int, chain_name: int | str) -> Attention:
        """Return a site's attention: its group's, or one that shares parts with its group."""
        choice = self.space.attention[number]
        parts = find_attention(choice.name).shared if self.space.sharing != "whole" else None
        group = (chain_name if parts else number, *sharing_group(self.space, site))
        if not parts and group in self.first_of_group:
            return self.first_of_group[group]
        attention = make_attention_for_site(
            site, choice.name, unit_gate=self.space.unit_gate, **choice.options
        )
        first = self.first_of_group.setdefault(group, attention)
        for part in parts or ():
            setattr(_without_adapter(attention), part, getattr(_without_adapter(first), part))
        return attention


def _without_adapter(attention: Attention) -> Attention:
    return attention.attention if isinstance(attention, LayoutAdapter) else attention


def sharing_group(space: Space, site: Site) -> tuple[object, ...]:
    """Return a key that is equal for the sites that share modules.

    Args:
        space: The space, whose `sharing` decides.
        site: One of its sites.
    """
    if space.sharing == "none":
        return (site.number,)
    return (site.stage, site.channels, site.layout, site.prefix, *site.partition)
