"""Count what a network costs without attention, and what each attention adds at each site."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from ean_search.attention.state import ChainedAttention
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Cost
from ean_search.costs.flops import count_activations, count_example, count_params
from ean_search.costs.network_latency import AttentionAlone
from ean_search.costs.site_inputs import first_input, site_inputs
from ean_search.costs.table import Attachment
from ean_search.networks.builder import Slot, prune, slots
from ean_search.networks.example import Example
from ean_search.networks.folding import foldable_factor
from ean_search.networks.plain_backbone import blank_example
from ean_search.networks.removal import Zeros

BYTES_PER_ELEMENT = 4  # of an activation, in float32
# What a pruned network has in the norm before the site.
FOLDED = Attachment(
    group=-1, params=0, replaced_params=0, macs=0, flops=0, latency_ms=0.0, activation_bytes=0
)


def count_plain(space: Space, network: nn.Module) -> Cost:
    """Count what the network of a space costs without attention; its latency stays 0."""
    return _count_network(space, network, space.named["none"])


def _count_network(space: Space, network: nn.Module, placement: Placement) -> Cost:
    """Count what a pruned network costs; its latency stays 0."""
    plain = prune(network, placement)
    example = blank_example(space)
    macs, flops = count_example(plain, example)
    activation_bytes = BYTES_PER_ELEMENT * count_activations(plain, example)
    sites = placement.attached
    return Cost(sites, count_params(plain), macs, flops, 0.0, activation_bytes)


def count_attachments(space: Space, network: nn.Module) -> tuple[tuple[Attachment, ...], ...]:
    """Count what each choice adds at each site: one row per site."""
    found = slots(network)
    counter = _AttachmentCounter(network, found)
    pairs = zip(found, site_inputs(space, network), strict=True)
    rows = [counter.count_site(slot, inputs) for slot, inputs in pairs]
    if not any(slot.site.removed for slot in found):
        return tuple(rows)
    plain = count_plain(space, network)
    return tuple(
        tuple(
            _with_sublayer(attachment, plain, _count_network(space, network, placement))
            for attachment, placement in zip(row, _singles(space, number), strict=True)
        )
        for number, row in enumerate(rows)
    )


def _singles(space: Space, site: int) -> list[Placement]:
    """Return the placements that have one attention each, at one site."""
    sites, choices = range(space.sites), range(1, space.choices)
    return [space.placement(choice * (i == site) for i in sites) for choice in choices]


def _with_sublayer(attachment: Attachment, plain: Cost, single: Cost) -> Attachment:
    """Add the norms and the like that come and go with a sublayer to what its attention costs.

    Args:
        attachment: The attention alone.
        plain: The cost of the network without any.
        single: The cost of the network with this one.
    """
    return replace(
        attachment,
        own_params=single.params - plain.params - attachment.params,
        replaced_params=0,
        macs=single.macs - plain.macs,
        flops=single.flops - plain.flops,
        activation_bytes=single.activation_bytes - plain.activation_bytes,
    )


class _AttachmentCounter:
    """Counts the attachments of one site after another, in the order of the network."""

    def __init__(self, network: nn.Module, found: Sequence[Slot]):
        self.network = network
        self.users = Counter(p for s in found for a in s.attentions for p in set(a.parameters()))
        self.groups: dict[frozenset[nn.Parameter], int] = {}  # numbered as they are met
        self.chains: dict[nn.Module, int] = {}
        self.earlier: Counter[int] = Counter()  # sites of each chain before the current site

    def count_site(self, slot: Slot, inputs: Example) -> tuple[Attachment, ...]:
        """Count each choice at the next site, which gets these inputs."""
        row = tuple(self._count(slot, module, inputs) for module in slot.attentions)
        self.earlier.update({attachment.chain for attachment in row})
        return row

    def _count(self, slot: Slot, module: nn.Module, inputs: Example) -> Attachment:
        if foldable_factor(self.network, slot, module) is not None:
            return FOLDED
        shared = frozenset(p for p in module.parameters() if self.users[p] > 1)
        chain = -1
        if isinstance(module, ChainedAttention):
            chain = self.chains.setdefault(module.holder, len(self.chains))
        first, *later = _count_in_chain(slot, module, inputs, self.earlier[chain])
        return Attachment(
            group=self.groups.setdefault(shared, len(self.groups)),
            params=sum(p.numel() for p in shared),
            own_params=sum(p.numel() for p in module.parameters() if self.users[p] == 1),
            replaced_params=0 if slot.original is None else count_params(slot.original),
            activation_bytes=BYTES_PER_ELEMENT * slot.site.num_elements,
            latency_ms=0.0,
            chain=chain,
            writes_only=isinstance(module, ChainedAttention) and module.attention.writes_only,
            macs=first[0],
            flops=first[1],
            later=tuple(later) if set(later) - {first} else (),
        )


def _count_in_chain(
    slot: Slot, module: nn.Module, inputs: Example, earlier: int
) -> list[tuple[int, int]]:
    """Count macs and flops of an attention after 0 to `earlier` sites of its chain.

    Counts that cannot depend on other sites are returned once. Those of the module that the
    attention replaces are subtracted.
    """
    replaced = (0, 0)
    if not isinstance(slot.original, Zeros | None):
        replaced = count_example(slot.original, first_input(inputs))
    counts, state = [], None
    repeats = isinstance(module, ChainedAttention) and not module.attention.finishes_stage
    for _ in range(earlier + 1 if repeats else 1):
        macs, flops = count_example(AttentionAlone(module, state), inputs)
        counts.append((macs - replaced[0], flops - replaced[1]))
        if isinstance(module, ChainedAttention) and repeats:
            with torch.no_grad():
                state = module.attention(*inputs.args, state)[1]
    return counts
