"""Measure what the network of a space and its attachments cost, into a table.

Multiply-adds and FLOPs are counted, not estimated: an attention that is counted alone, on the map
of a site, adds exactly what fvcore counts on the pruned network. A stateful attention is counted
after each possible number of other sites of its chain. The counts of other attentions may depend
on other sites in a different way; they declare `additive = False`, and their placements are
counted one by one, on the pruned network.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
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

BYTES_PER_ELEMENT = 4  # of an activation, in float32
CACHE_VERSION = 2  # raise it with every change to the counts or to the table


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
    """Measure a space's cost table, or take it from the cache.

    Args:
        space: The space.
        classes: The number of classes.
        image_size: Height and width of the images in pixels; None: those of the space.
        batch_size: The number of images for which latencies are measured.
        device: Where latencies are measured.
        rounds: The number of times that each network is timed.
        progress: Receives a report after counting and after timing.

    Example:
        >>> space = load_space("resnet50_shared")
        >>> measure_costs(space).price(space.named["all"]).params
        26257432
    """
    space = space if image_size is None else space.model_copy(update={"image_size": image_size})
    machine = hardware(device)
    path = _cache_file(space, f"{classes} {batch_size} {rounds} {machine} {torch.__version__}")
    if path.is_file():
        return CostTable.load(path)
    progress("costs", 0, 2, "counting")
    network = build(space, classes).eval()
    table = CostTable(
        plain=_plain_cost(space, network),
        attachments=_count_attachments(slots(network)),
        image_size=space.image_size,
        batch_size=batch_size,
        hardware=machine,
    )
    progress("costs", 1, 2, "timing")
    table = _with_latency(table, space, network.to(device), device, rounds)
    progress("costs", 2, 2)
    table.save(path)
    return table


def _cache_file(space: Space, settings: str) -> Path:
    """Return the file of a table; names in a space change nothing about its costs."""
    unnamed = space.model_copy(update={"name": "", "placements": {}}).model_dump_json()
    key = f"{CACHE_VERSION} {unnamed} {settings}"
    return cache_dir("costs") / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.json"


def price_list(space: Space, table: CostTable, classes: int) -> Callable[[Placement], Cost]:
    """Return the function that gives the costs of placements.

    Args:
        space: The space.
        table: Its cost table.
        classes: The number of classes.

    Returns:
        `table.price` if the counts of all attentions add up. If not, a function that counts the
        pruned network; only latencies and activations are then sums of the table.
    """
    network = build(space, classes).eval()
    modules = [m for slot in slots(network) for a in slot.attentions for m in a.modules()]
    if all(module.additive for module in modules if isinstance(module, Attention)):
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
    networks: Mapping[str, nn.Module], table: CostTable, device: str = "cpu", rounds: int = 20
) -> dict[str, float]:
    """Time finished networks against each other, as the networks of the table were timed.

    Args:
        networks: The networks by name; they are moved to the device.
        table: Gives image size and batch size.
        device: Where to time.
        rounds: The number of times that each network is timed.

    Returns:
        The median of each network in milliseconds per batch.
    """
    images = torch.randn(table.batch_size, 3, table.image_size, table.image_size, device=device)
    forwards = {
        name: _forward(network.to(device).eval(), images) for name, network in networks.items()
    }
    return time_interleaved(forwards, rounds=rounds, device=device)


def _plain_cost(space: Space, network: nn.Module) -> Cost:
    plain = prune(network, space.named["none"])
    image = torch.zeros(1, 3, space.image_size, space.image_size)
    macs, flops = count_flops(plain, image)
    activation_bytes = BYTES_PER_ELEMENT * count_activations(plain, image)
    return Cost(0, count_params(plain), macs, flops, 0.0, activation_bytes)


class _AttentionAlone(nn.Module):
    """An attention outside its network, with the state that earlier sites of its chain left."""

    def __init__(self, module: nn.Module, state: Any = None):
        super().__init__()
        self.module = module
        self.state = state

    def forward(self, *inputs: Tensor) -> Any:
        if not isinstance(self.module, ChainedAttention):
            return self.module(*inputs)
        attention = self.module.attention
        y, state = attention(*inputs, self.state)
        if attention.finishes_stage:
            return attention.finish(y.new_zeros(()), state)  # zero in place of the stage's output
        # Return the state as well: a tracer leaves out what is not a part of the output.
        return y, state


def _count_attachments(found: Sequence[Slot]) -> tuple[tuple[Attachment, ...], ...]:
    """Count what each choice adds at each site: one row per site."""
    counter = _AttachmentCounter(found)
    return tuple(counter.count_site(slot) for slot in found)


class _AttachmentCounter:
    """Counts the attachments of one site after another, in the order of the network."""

    def __init__(self, found: Sequence[Slot]):
        self.users = Counter(p for s in found for a in s.attentions for p in set(a.parameters()))
        self.groups: dict[frozenset[nn.Parameter], int] = {}  # numbered as they are met
        self.chains: dict[nn.Module, int] = {}
        self.earlier: Counter[int] = Counter()  # sites of each chain before the current site

    def count_site(self, slot: Slot) -> tuple[Attachment, ...]:
        """Count each choice at the next site."""
        row = tuple(self._count(slot, module) for module in slot.attentions)
        self.earlier.update({attachment.chain for attachment in row})
        return row

    def _count(self, slot: Slot, module: nn.Module) -> Attachment:
        shared = frozenset(p for p in module.parameters() if self.users[p] > 1)
        chain = -1
        if isinstance(module, ChainedAttention):
            chain = self.chains.setdefault(module.holder, len(self.chains))
        first, *later = _count_in_chain(slot, module, self.earlier[chain])
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


def _count_in_chain(slot: Slot, module: nn.Module, earlier: int) -> list[tuple[int, int]]:
    """Count macs and flops of an attention after 0 to `earlier` sites of its chain.

    Counts that cannot depend on other sites are returned once. Those of the module that the
    attention replaces are subtracted.
    """
    inputs = slot.site.example_inputs()
    replaced = (0, 0) if slot.original is None else count_flops(slot.original, inputs[0])
    counts, state = [], None
    repeats = isinstance(module, ChainedAttention) and not module.attention.finishes_stage
    for _ in range(earlier + 1 if repeats else 1):
        macs, flops = count_flops(_AttentionAlone(module, state), *inputs)
        counts.append((macs - replaced[0], flops - replaced[1]))
        if isinstance(module, ChainedAttention) and repeats:
            with torch.no_grad():
                state = module.attention(*inputs, state)[1]
    return counts


def _with_latency(
    table: CostTable, space: Space, network: nn.Module, device: str, rounds: int
) -> CostTable:
    """Time the plain network and every attachment.

    The latency of a network is too noisy to show a single attachment. So each attention is timed
    alone on its map, and the sum over all sites is scaled to what attaching everywhere adds.
    """
    full = {k: space.placement([k] * space.sites) for k in range(space.choices)}
    networks = {str(k): prune(network, placement) for k, placement in full.items()}
    times = measure_latency(networks, table, device, rounds)
    alone = _time_attachments(network, table.batch_size, device, rounds)
    rows = [list(row) for row in table.attachments]
    for k in range(1, space.choices):
        added = times[str(k)] - times["0"]
        total = sum(times_of_site[k - 1] for times_of_site in alone)
        scale = added / total if added * total > 0 else 1.0
        for row, times_of_site in zip(rows, alone, strict=True):
            row[k - 1] = replace(row[k - 1], latency_ms=scale * times_of_site[k - 1])
    plain = replace(table.plain, latency_ms=times["0"])
    return replace(table, plain=plain, attachments=tuple(map(tuple, rows)))


def _time_attachments(
    network: nn.Module, batch_size: int, device: str, rounds: int
) -> list[list[float]]:
    """Return the milliseconds of each choice at each site; equal maps are timed once."""
    forwards: dict[str, Callable[[], object]] = {}
    names = []
    for slot in slots(network):
        site = slot.site
        plain = nn.Identity() if slot.original is None else slot.original
        modules = [plain, *map(_AttentionAlone, slot.attentions)]
        row = [f"{k} {site.channels} {site.height} {site.width}" for k in range(len(modules))]
        for name, module in zip(row, modules, strict=True):
            inputs = site.example_inputs(batch_size, device)
            forwards.setdefault(name, _forward(module, *inputs[:1] if module is plain else inputs))
        names.append(row)
    times = time_interleaved(forwards, rounds=3 * rounds, device=device)
    return [[times[name] - times[row[0]] for name in row[1:]] for row in names]


def _forward(module: nn.Module, *inputs: Tensor) -> Callable[[], object]:
    return lambda: module(*inputs)
