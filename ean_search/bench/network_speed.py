"""What attention costs in time: finished networks side by side, and ratios of one number each."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import timm
import torch
from torch import Tensor, nn

from ean_search.bench.memory import measure_memory
from ean_search.bench.timing import TimingSettings, evaluation_of, median_seconds
from ean_search.core.space import Placement, Space
from ean_search.costs.measure import measure_costs
from ean_search.costs.stopwatch import time_interleaved
from ean_search.costs.table import CostTable
from ean_search.data.splits import TensorSplit
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.builder import build, place, prune


def measure_ratios(space: Space, timing: TimingSettings) -> pd.DataFrame:
    """Measure the figures that are one number each; return one row per figure."""
    device = timing.device
    table = measure_costs(space, classes=10, device=device)
    rows = [("price of a placement (us)", measure_pricing(space, table))]
    if device == "cpu" and sys.platform.startswith("linux"):
        memory = measure_memory(space, timing)
        rows.append(("peak memory, cohort / single", memory["cohort"] / memory["single"]))
    if device == "cpu":
        step = measure_step(space, image_size=timing.image_size)
        rows.append(("training step, ours / timm's with SE", step["ours"] / step["timm"]))
    recalibration = measure_recalibration(space, timing)
    rows.append(("norms recalibrated by a quarter of a batch, with / without", recalibration))
    return pd.DataFrame(rows, columns=["figure", "value"])


def measure_pricing(space: Space, table: CostTable, count: int = 2000) -> float:
    """Return the microseconds that it takes to price a placement not seen before."""
    rng = np.random.default_rng(0)
    placements = [space.sample(rng) for _ in range(count)]
    fresh = replace(table)  # without remembered prices
    start = time.perf_counter()
    for placement in placements:
        fresh.price(placement)
    return 1e6 * (time.perf_counter() - start) / count


def measure_recalibration(space: Space, timing: TimingSettings) -> float:
    """Return how many times as long a cohort takes if each member gets its own norm statistics."""
    device, network = timing.device, build(space, classes=10)
    images = timing.make_split().images.to(device)
    split = TensorSplit(images, torch.zeros(len(images), dtype=torch.long))
    rng = np.random.default_rng(0)
    cohort = [space.sample(rng) for _ in range(8)]
    calibration = {"with": images[: max(2, len(images) // 4)], "without": None}
    actions = {
        name: evaluation_of(
            SharedWeightsEvaluator(network, split, len(images), device, calibrated_on), cohort
        )
        for name, calibrated_on in calibration.items()
    }
    seconds = median_seconds(actions, timing.rounds, device)
    return seconds["with"] / seconds["without"]


def measure_step(
    space: Space, *, image_size: int = 64, batch_size: int = 32, rounds: int = 15
) -> dict[str, float]:
    """Time a training step of our network with every site attached, and of timm's with SE.

    Returns:
        Median seconds on the CPU, under the names `ours` and `timm`.
    """
    images = torch.randn(batch_size, 3, image_size, image_size)
    labels = torch.arange(batch_size) % 10
    networks = {
        "ours": place(build(space, classes=10), space.named["all"]),
        "timm": timm.create_model(space.backbone, num_classes=10, block_args={"attn_layer": "se"}),
    }
    steps = {name: _training_step(network, images, labels) for name, network in networks.items()}
    return median_seconds(steps, rounds, "cpu")


def _training_step(network: nn.Module, images: Tensor, labels: Tensor) -> Callable[[], None]:
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)

    def step() -> None:
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def measure_networks(
    space: Space,
    placements: Mapping[str, Placement],
    *,
    image_size: int,
    batch_sizes: Iterable[int] = (1, 16),
    compiled: bool = False,
    rounds: int = 15,
    device: str = "cpu",
) -> pd.DataFrame:
    """Time finished networks, among them `none` and `all`: one row per batch size and name.

    `saved_of_added` is the share of the latency of attention at all sites that a placement avoids.
    """
    network = build(space, classes=1000).eval()
    pruned = {name: prune(network, placement).to(device) for name, placement in placements.items()}
    rows = []
    for batch_size in batch_sizes:
        images = torch.randn(batch_size, 3, image_size, image_size, device=device)
        times = _time_networks(pruned, images, compiled, rounds, device)
        for name in times:
            row: dict[str, object] = {"network": name, "placement": str(placements[name])}
            row |= {"batch_size": batch_size, "compiled": compiled}
            rows.append(row | _compare_with_none(times, name))
    return pd.DataFrame(rows).assign(image_size=image_size)


def _time_networks(
    networks: Mapping[str, nn.Module], images: Tensor, compiled: bool, rounds: int, device: str
) -> dict[str, float]:
    """Return the median milliseconds of each network."""
    ready = {name: torch.compile(net) if compiled else net for name, net in networks.items()}
    forwards = {name: partial(net, images) for name, net in ready.items()}
    return time_interleaved(forwards, rounds=rounds, device=device)


def _compare_with_none(times: Mapping[str, float], name: str) -> dict[str, float]:
    """Relate a network's milliseconds to those without and with attention everywhere."""
    none, added = times["none"], times["all"] - times["none"]
    return {
        "latency_ms": times[name],
        "against_none": times[name] / none,
        "saved_of_added": 1 - (times[name] - none) / added if added > 0 else float("nan"),
    }
