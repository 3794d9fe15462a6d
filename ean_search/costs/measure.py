"""Measure what the network of a space and its attachments cost, into a table.

Multiply-adds and FLOPs are counted, not estimated: an attention that is counted alone, on the map
of a site, adds exactly what fvcore counts on the pruned network. A stateful attention is counted
after each possible number of other sites of its chain. The counts of other attentions may depend
on other sites in a different way; they declare `additive = False`, and their placements are
counted one by one, on the pruned network.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import nn

from ean_search.attention.base import Attention
from ean_search.core.live_names import is_live
from ean_search.core.space import Placement, Space, load_space
from ean_search.core.trial import Cost
from ean_search.costs.count_attachments import count_attachments, count_plain
from ean_search.costs.flops import count_example, count_params, uncounted_operators
from ean_search.costs.network_latency import time_attachments, time_networks
from ean_search.costs.site_inputs import site_inputs
from ean_search.costs.table import CostTable
from ean_search.costs.timing_quality import Times, time_with_care
from ean_search.networks.builder import build, prune, slots
from ean_search.networks.example import Example
from ean_search.networks.forward_check import check_forward
from ean_search.networks.plain_backbone import blank_example, image_channels
from ean_search.utils.errors import UserError
from ean_search.utils.files import cache_dir
from ean_search.utils.locks import only_writer
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import hardware

CACHE_VERSION = 3  # raise it with every change to the counts or to the table

log = logging.getLogger(__name__)


def measure_costs(
    space: Space | str,
    *,
    classes: int = 1000,
    image_size: int | None = None,
    batch_size: int = 1,
    device: str = "cpu",
    rounds: int = 20,
    progress: Progress = silent,
) -> CostTable:
    """Measure a space's cost table, or take it from the cache.

    A table whose latencies are doubtful (see `Timing.doubts`) is not cached.

    Args:
        space: The space, or its name.
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
    space = load_space(space)
    space = space if image_size is None else space.model_copy(update={"image_size": image_size})
    request = _Request(space, classes, batch_size, device, rounds)
    file = request.cache_file
    # Two processes that time at once disturb each other.
    with only_writer(file.with_suffix(".lock"), f"costs of {space.name}", wait=True):
        return request.cached() or request.measure(progress)


def retime_costs(
    space: Space,
    *,
    classes: int = 1000,
    batch_size: int = 1,
    device: str = "cpu",
    progress: Progress = silent,
) -> CostTable:
    """Measure a table again, and replace the cached one if the new one is not doubtful.

    Args:
        space: The space.
        classes: As for `measure_costs`, like all that follow.
        batch_size: The number of images for which latencies are measured.
        device: Where latencies are measured.
        progress: Receives a report after counting and after timing.
    """
    return _Request(space, classes, batch_size, device).measure(progress)


@dataclass(frozen=True)
class _Request:
    """Of what a table is wanted."""

    space: Space
    classes: int
    batch_size: int
    device: str
    rounds: int = 20

    @property
    def cache_file(self) -> Path:
        """The file in which the table is cached."""
        settings = f"{self.classes} {self.batch_size} {self.rounds}"
        return _cache_file(self.space, f"{settings} {hardware(self.device)} {torch.__version__}")

    def cached(self) -> CostTable | None:
        """Read the table from the cache; None if it is not there, or not whole."""
        if not self.cache_file.is_file():
            return None
        try:
            return CostTable.load(self.cache_file)
        except UserError as error:
            log.warning("%s: it is measured again", error)
            return None

    def measure(self, progress: Progress) -> CostTable:
        """Count and time, and cache the table if its latencies can be trusted."""
        progress("costs", 0, 2, "counting")
        network = build(self.space, self.classes).eval()
        check_forward(network, self.space, blank_example(self.space))
        table = CostTable(
            plain=count_plain(self.space, network),
            attachments=count_attachments(self.space, network),
            image_size=self.space.image_size,
            batch_size=self.batch_size,
            hardware=hardware(self.device),
            channels=image_channels(self.space.backbone_args),
            uncounted=_uncounted(self.space, network),
        )
        progress("costs", 1, 2, "timing")
        table = self._time(table, network.to(self.device))
        progress("costs", 2, 2)
        return table

    def _time(self, table: CostTable, network: nn.Module) -> CostTable:
        what = f"latencies of {self.space.name or self.space.backbone}"
        timed, timing = time_with_care(
            lambda: _with_latency(table, self.space, network, self.device, self.rounds), what
        )
        timed = replace(timed, timing=timing)
        if not timing.doubts:
            timed.save(self.cache_file)
            return timed
        kept = " (the cached ones stay)" if self.cache_file.is_file() else ""
        log.warning("%s: used, but not cached%s: %s", what, kept, "; ".join(timing.doubts))
        return timed


def _uncounted(space: Space, network: nn.Module) -> tuple[str, ...]:
    """Name what fvcore does not count in a user's module, where nobody else has looked."""
    if not is_live(space.backbone):
        return ()
    found = uncounted_operators(prune(network, space.named["all"]), blank_example(space))
    if found:
        log.info("fvcore counts no FLOPs of these operators: %s", ", ".join(found))
    return found


def _timed_example(space: Space, batch_size: int, device: str) -> Example | None:
    """Return what networks are timed on: the user's example, or None for random images."""
    if not is_live(space.backbone):
        return None
    example = blank_example(space).to(device)
    return example.with_tensors([x.repeat_interleave(batch_size, 0) for x in example.tensors])


def _example_of_table(space: Space, table: CostTable) -> Example:
    """Return what the counts of a table are for."""
    if is_live(space.backbone):
        return blank_example(space)
    return Example.of(torch.zeros(1, table.channels, table.image_size, table.image_size))


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

    example = _example_of_table(space, table)

    @cache
    def count(placement: Placement) -> Cost:
        pruned = prune(network, placement)
        macs, flops = count_example(pruned, example)
        counts = {"params": count_params(pruned), "macs": macs, "flops": flops}
        return replace(table.price(placement), **counts)

    return count


def _with_latency(
    table: CostTable, space: Space, network: nn.Module, device: str, rounds: int
) -> tuple[CostTable, dict[str, Times]]:
    """Time the plain network and every attachment; return the table and the networks' times.

    The latency of a network is too noisy to show a single attachment. So each attention is timed
    alone on its map, and the sum over all sites is scaled to what attaching everywhere adds.
    """
    full = {k: space.placement([k] * space.sites) for k in range(space.choices)}
    networks = {str(k): prune(network, placement) for k, placement in full.items()}
    example = _timed_example(space, table.batch_size, device)
    times_of_networks = time_networks(networks, table, device, rounds, example)
    times = {name: times_of_one.median for name, times_of_one in times_of_networks.items()}
    inputs = site_inputs(space, network, table.batch_size, device)
    alone = time_attachments(network, inputs, device, 3 * rounds)
    rows = [list(row) for row in table.attachments]
    for k in range(1, space.choices):
        added = times[str(k)] - times["0"]
        total = sum(times_of_site[k - 1] for times_of_site in alone)
        scale = added / total if added * total > 0 else 1.0
        for row, times_of_site in zip(rows, alone, strict=True):
            row[k - 1] = replace(row[k - 1], latency_ms=scale * times_of_site[k - 1])
    plain = replace(table.plain, latency_ms=times["0"])
    timed = replace(table, plain=plain, attachments=tuple(map(tuple, rows)))
    return timed, times_of_networks
