"""Measures what a space's network and its attachments cost, into a table.

Multiply-adds and fvcore's totals are counted, not estimated: an attention counted alone at a site's
map adds exactly what fvcore counts on the pruned network; a stateful one is counted after every
number of others. An attention whose counts depend on other sites in any other way says so
(`additive = False`); its placements are counted one by one, on the pruned network.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.attention.state import ChainedAttention
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Cost
from ean_search.costs.flops import count_activations, count_flops, count_params
from ean_search.costs.latency import time_interleaved
from ean_search.costs.table import Attachment, CostTable
from ean_search.networks.builder import Slot, build, prune, slots
from ean_search.utils.files import cache_dir
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import hardware


def measure_costs(
    space: Space,
    *,
    classes: int = 1000,
    image_size: int | None = None,
    batch_size: int = 1,
    device: str = "cpu",
    rounds: int = 20,
    progress: Progress = silent,
) -> CostTable:
    """Measure a space's cost table, or take it from the cache."""
    space = space if image_size is None else space.model_copy(update={"image_size": image_size})
    what = space.model_copy(update={"name": "", "placements": {}}).model_dump_json()
    where = hardware(device)
    key = f"2 {what} {classes} {batch_size} {rounds} {where} {torch.__version__}"
    path = cache_dir("costs") / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.json"
    if path.is_file():
        return CostTable.load(path)
    progress("costs", 0, 2, "counting")
    network = build(space, classes).eval()
    table = CostTable(
        plain=_plain_cost(space, network),
        attachments=_attachments(space, network),
        image_size=space.image_size,
        batch_size=batch_size,
        hardware=where,
    )
    progress("costs", 1, 2, "timing")
    table = _with_latency(table, space, network.to(device), device, rounds)
    progress("costs", 2, 2)
    table.save(path)
    return table


def price_list(space: Space, table: CostTable, classes: int) -> Callable[[Placement], Cost]:
    """Return what prices placements: the table, or direct counts where it cannot add up."""
    network = build(space, classes).eval()
    modules = (
        module
        for slot in slots(network)
        for attention in slot.attentions
        for module in attention.modules()
        if isinstance(module, Attention)
    )
    if all(module.additive for module in modules):
        return table.price

    @cache
    def count(placement: Placement) -> Cost:
        image = torch.zeros(1, 3, table.image_size, table.image_size)
        pruned = prune(network, placement)
        macs, flops = count_flops(pruned, image)
        params = count_params(pruned)
        return replace(table.price(placement), params=params, macs=macs, flops=flops)

    return count


def measure_latency(
    networks: dict[str, nn.Module], table: CostTable, device: str = "cpu", rounds: int = 20
) -> dict[str, float]:
    """Time finished networks against each other, as the table's own were, in milliseconds."""
    image = torch.randn(table.batch_size, 3, table.image_size, table.image_size, device=device)
    forwards = {
        name: _forward(network.to(device).eval(), image) for name, network in networks.items()
    }
    return time_interleaved(forwards, rounds=rounds, device=device)


def _plain_cost(space: Space, network: nn.Module) -> Cost:
    plain = prune(network, space.named["none"])
    image = torch.zeros(1, 3, space.image_size, space.image_size)
    macs, flops = count_flops(plain, image)
    activations = 4 * count_activations(plain, image)
    return Cost(0, count_params(plain), macs, flops, 0.0, activations)


class _Alone(nn.Module):
    """An attachment on its own, with the state that others of its chain left."""

    def __init__(self, module: nn.Module, state: Any = None):
        super().__init__()
        self.module = module
        self.state = state

    def forward(self, *inputs: Tensor) -> Any:
        if not isinstance(self.module, ChainedAttention):
            return self.module(*inputs)
        attention = self.module.attention
        y, state = attention(*inputs, self.state)
        # The state is returned, too: a tracer forgets what nobody uses.
        return attention.finish(0, state) if attention.finishes_stage else (y, state)


def _attachments(space: Space, network: nn.Module) -> tuple[tuple[Attachment, ...], ...]:
    """Count what each choice adds at each site."""
    found = slots(network)
    users = Counter(p for s in found for a in s.attentions for p in set(a.parameters()))
    groups: dict[frozenset, int] = {}
    chains: dict[nn.Module, int] = {}
    earlier: Counter[int] = Counter()  # sites of a chain before this one
    rows = []
    for slot in found:
        row = []
        for module in slot.attentions:
            shared = frozenset(p for p in module.parameters() if users[p] > 1)
            chain = -1
            if isinstance(module, ChainedAttention):
                chain = chains.setdefault(module.holder, len(chains))
            row.append(
                Attachment(
                    group=groups.setdefault(shared, len(groups)),
                    params=sum(p.numel() for p in shared),
                    own_params=sum(p.numel() for p in module.parameters() if users[p] == 1),
                    activation_bytes=4 * slot.site.elements,
                    latency_ms=0.0,
                    chain=chain,
                    writes_only=_inner(module).writes_only,
                    **_counts(slot, module, earlier[chain]),
                )
            )
        earlier.update({attachment.chain for attachment in row})
        rows.append(tuple(row))
    return tuple(rows)


def _inner(module: nn.Module) -> nn.Module:
    return module.attention if isinstance(module, ChainedAttention) else module


def _counts(slot: Slot, module: nn.Module, earlier: int) -> dict[str, Any]:
    """Count one attachment, after none and after up to so many others of its chain."""
    inputs = slot.site.example()
    replaced = (0, 0)
    if slot.original is not None:
        replaced = count_flops(slot.original, inputs[0])
    counts, state = [], None
    adds_up = not isinstance(module, ChainedAttention) or module.attention.finishes_stage
    for _ in range(1 if adds_up else earlier + 1):
        macs, flops = count_flops(_Alone(module, state), *inputs)
        counts.append((macs - replaced[0], flops - replaced[1]))
        if not adds_up:
            with torch.no_grad():
                state = module.attention(*inputs, state)[1]
    later = tuple(counts[1:]) if len(set(counts)) > 1 else ()
    return {
        "macs": counts[0][0],
        "flops": counts[0][1],
        "later": later,
        "replaced_params": 0 if slot.original is None else count_params(slot.original),
    }


def _with_latency(
    table: CostTable, space: Space, network: nn.Module, device: str, rounds: int
) -> CostTable:
    """Time the plain network and every attachment.

    One attachment is too small to be seen in a network's latency, so each is timed alone at its
    map; the sum over all sites is then scaled to what attaching everywhere adds to the network.
    """
    full = {k: space.placement([k] * space.sites) for k in range(space.choices)}
    whole = {str(k): prune(network, placement) for k, placement in full.items()}
    times = measure_latency(whole, table, device, rounds)
    alone = _time_attachments(network, table.batch_size, device, rounds)
    rows = [list(row) for row in table.attachments]
    for k in range(1, space.choices):
        added = times[str(k)] - times["0"]
        total = sum(alone[site][k - 1] for site in range(space.sites))
        scale = added / total if added * total > 0 else 1.0
        for site, row in enumerate(rows):
            row[k - 1] = replace(row[k - 1], latency_ms=scale * alone[site][k - 1])
    plain = replace(table.plain, latency_ms=times["0"])
    return replace(table, plain=plain, attachments=tuple(map(tuple, rows)))


def _time_attachments(
    network: nn.Module, batch_size: int, device: str, rounds: int
) -> list[list[float]]:
    """Time every choice at every site, equal cases once; in milliseconds."""
    forwards, cases = {}, []
    for slot in slots(network):
        site = slot.site
        plain = nn.Identity() if slot.original is None else slot.original
        modules = [plain, *map(_Alone, slot.attentions)]
        row = [f"{k} {site.channels} {site.height} {site.width}" for k in range(len(modules))]
        for case, module in zip(row, modules, strict=True):
            inputs = site.example(batch_size, device)
            forwards.setdefault(case, _forward(module, *inputs[:1] if module is plain else inputs))
        cases.append(row)
    times = time_interleaved(forwards, rounds=3 * rounds, device=device)
    return [[times[case] - times[row[0]] for case in row[1:]] for row in cases]


def _forward(module: nn.Module, *inputs: Tensor) -> Callable[[], object]:
    return lambda: module(*inputs)
