"""How much faster a cohort is than its members one by one, and what attention costs in time.

Every row is a ratio of two things measured in turn, in one process, on the same images: absolute
times of a shared machine mean little, ratios of medians hold.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ean_search.analysis.run_folder import Run
from ean_search.bench.memory import measure_memory
from ean_search.bench.precision import measure_precision
from ean_search.core.space import Placement, Space
from ean_search.costs.latency import time_in_turn, time_interleaved
from ean_search.costs.measure import measure_costs
from ean_search.costs.table import CostTable
from ean_search.data.datasets import load_data
from ean_search.data.splits import Split, TensorSplit
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.builder import build, place, prune
from ean_search.runs.evaluator_factory import make_shared
from ean_search.runs.experiment import load_experiment
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import hardware

SAMPLE = 24  # placements whose single passes stand for those of a larger cohort
SHORT = 7  # times the rounds for what takes no time: a neighbour's noise is as long as it is
OPEN_SITES = 12  # of a space too large to walk: the subtree over its last sites is walked


def bench_speed(
    space: Space,
    *,
    run: Run | None = None,
    image_size: int = 64,
    images: int = 128,
    rounds: int = 3,
    compiled: bool = False,
    device: str = "cpu",
    progress: Progress = silent,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Measure everything: cohorts, ratios of single things, finished networks, ways to compute."""
    about = hardware(device)
    speed = measure_speed(
        space,
        image_size=image_size,
        images=images,
        rounds=rounds,
        device=device,
        progress=progress,
    )
    yield "speed", speed.assign(hardware=about)
    ratios = _measure_ratios(space, image_size, images, device)
    yield "speed_ratios", ratios.assign(hardware=about)
    placements = space.named | ({"best": run.find("best")} if run else {})
    ways = (False, True) if compiled else (False,)
    networks = [
        measure_networks(
            space, placements, image_size=space.image_size, compiled=way, device=device
        )
        for way in ways
    ]
    yield "speed_networks", pd.concat(networks, ignore_index=True).assign(hardware=about)
    precision = measure_precision(*_trained(run, space, device), device=device)
    yield "speed_arithmetic", precision.assign(hardware=about)


def _trained(run: Run | None, space: Space, device: str) -> tuple[nn.Module, Space, Split]:
    """Return a run's network and search split; without a run, an untrained one and noise."""
    if run is None:
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(256, 3, 64, 64, generator=generator)
        return build(space, classes=10), space, TensorSplit(noise, torch.zeros(256).long())
    experiment = load_experiment(run.experiment_file, {"device": device})
    shared = make_shared(run, experiment, load_data(experiment.data), None, silent)
    return shared.network, run.space, shared.split


def _measure_ratios(space: Space, image_size: int, images: int, device: str) -> pd.DataFrame:
    """Measure what is one number each."""
    table = measure_costs(space, classes=10, device=device)
    rows = [("price of a placement (us)", measure_pricing(space, table))]
    if device == "cpu" and sys.platform.startswith("linux"):
        memory = measure_memory(space, image_size=image_size, images=images)
        rows.append(("peak memory, cohort / single", memory["together"] / memory["one by one"]))
    if device == "cpu":
        step = measure_step(space, image_size=image_size)
        rows.append(("training step, ours / timm's with SE", step["ours"] / step["theirs"]))
    price = measure_recalibration(space, image_size=image_size, images=images, device=device)
    rows.append(("norms recalibrated by a quarter of a batch, with / without", price))
    return pd.DataFrame(rows, columns=["figure", "value"])


def measure_speed(
    space: Space,
    *,
    image_size: int = 64,
    images: int = 128,
    rounds: int = 3,
    device: str = "cpu",
    progress: Progress = silent,
) -> pd.DataFrame:
    """Time cohorts against their members one by one."""
    network = build(space, classes=10).eval().to(device)
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(images, 3, image_size, image_size, generator=generator)
    split = TensorSplit(batch, torch.zeros(images, dtype=torch.long))
    evaluator = SharedWeightsEvaluator(network, split, images, device)
    rows = []
    cohorts = _cohorts(space)
    for done, (name, (cohort, stands_for)) in enumerate(cohorts.items()):
        progress("speed", done, len(cohorts), name)
        used = 1 if stands_for > len(cohort) else rounds * (SHORT if len(cohort) == 1 else 1)
        rows.append(_time_cohort(name, evaluator, cohort, stands_for, used, device))
    progress("speed", len(cohorts), len(cohorts))
    return pd.DataFrame(rows).assign(images=images, image_size=image_size)


def _cohorts(space: Space) -> dict[str, tuple[list[Placement], int]]:
    """Make the cohorts, each with the number of placements it stands for."""
    rng = np.random.default_rng(0)
    sites = space.sites
    last = [space.placement([0] * (sites - 8) + _bits(i, 8)) for i in range(256)]
    likely = rng.random(sites) < 0.5
    flips = rng.random((64, sites)) < 0.05
    subtree = min(OPEN_SITES, sites)
    head = [0] * (sites - subtree)
    part = [space.placement(head + _bits(i, subtree)) for i in range(2**subtree)]
    return {
        "1 placement": ([space.named["every-other"]], 1),
        "64 random": ([space.placement(rng.integers(0, 2, sites)) for _ in range(64)], 64),
        "64 at p = .95": ([space.placement(likely ^ flip) for flip in flips], 64),
        "256 of the last 8 sites": (last, 256),
        f"all {2**sites}": (part, 2**sites),
    }


def _bits(number: int, width: int) -> list[int]:
    return [number >> (width - 1 - i) & 1 for i in range(width)]


def _time_cohort(
    name: str,
    evaluator: SharedWeightsEvaluator,
    cohort: Sequence[Placement],
    stands_for: int,
    rounds: int,
    device: str,
) -> dict[str, object]:
    """Time a cohort and, in turn, single passes of some of its members over the same images."""
    step = max(1, len(cohort) // SAMPLE)
    sample = cohort[::step]
    batches = list(evaluator.split.batches(evaluator.batch_size, device=device))

    def together() -> None:
        list(evaluator.evaluate(cohort))

    def one_by_one() -> None:
        with torch.inference_mode():
            for placement in sample:
                place(evaluator.network, placement)
                for images, _ in batches:
                    evaluator.network(images).argmax(1)

    times = time_in_turn({"together": together, "one by one": one_by_one}, rounds, device)
    ratios = [
        (single / len(sample)) / (joint / len(cohort))
        for joint, single in zip(times["together"], times["one by one"], strict=True)
    ]
    return {
        "case": name,
        "measured": len(cohort),
        "stands_for": stands_for,
        "rounds": rounds,
        "speedup": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
        "placements_per_s": len(cohort) / statistics.median(times["together"]),
    }


def measure_pricing(space: Space, table: CostTable, count: int = 2000) -> float:
    """Return the microseconds that a new placement's price takes from the table."""
    rng = np.random.default_rng(0)
    placements = [space.sample(rng) for _ in range(count)]
    fresh = CostTable(**{name: getattr(table, name) for name in table.__dataclass_fields__})
    start = time.perf_counter()
    for placement in placements:
        fresh.price(placement)
    return 1e6 * (time.perf_counter() - start) / count


def measure_recalibration(
    space: Space, *, image_size: int = 64, images: int = 128, rounds: int = 3, device: str = "cpu"
) -> float:
    """Return how many times as long a cohort takes if each member gets its own norm statistics."""
    network = build(space, classes=10)
    batch = torch.randn(images, 3, image_size, image_size, device=device)
    split = TensorSplit(batch, torch.zeros(images, dtype=torch.long))
    rng = np.random.default_rng(0)
    cohort = [space.sample(rng) for _ in range(8)]
    own = {"with": batch[: max(2, images // 4)], "without": None}
    ways = {
        name: SharedWeightsEvaluator(network, split, images, device, calibration)
        for name, calibration in own.items()
    }
    actions = {name: lambda way=way: list(way.evaluate(cohort)) for name, way in ways.items()}
    times = {n: statistics.median(t) for n, t in time_in_turn(actions, rounds, device).items()}
    return times["with"] / times["without"]


def measure_step(
    space: Space, *, image_size: int = 64, batch_size: int = 32, rounds: int = 15
) -> dict[str, float]:
    """Time a training step of the network with everything attached, and of timm's own with SE."""
    import timm

    images = torch.randn(batch_size, 3, image_size, image_size)
    labels = torch.arange(batch_size) % 10
    ours = place(build(space, classes=10), space.named["all"])
    theirs = timm.create_model(space.backbone, num_classes=10, block_args={"attn_layer": "se"})
    steps = {"ours": _training_step(ours, images, labels)}
    steps["theirs"] = _training_step(theirs, images, labels)
    return {name: statistics.median(t) for name, t in time_in_turn(steps, rounds, "cpu").items()}


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
    placements: dict[str, Placement],
    *,
    image_size: int,
    batch_sizes: Iterable[int] = (1, 16),
    compiled: bool = False,
    rounds: int = 15,
    device: str = "cpu",
) -> pd.DataFrame:
    """Time finished networks, none and all among them, and say what share of the price is saved."""
    network = build(space, classes=1000).eval()
    pruned = {name: prune(network, placement).to(device) for name, placement in placements.items()}
    rows = []
    for batch_size in batch_sizes:
        images = torch.randn(batch_size, 3, image_size, image_size, device=device)
        ready = {n: torch.compile(net) if compiled else net for n, net in pruned.items()}
        forwards = {n: (lambda net=net, x=images: net(x)) for n, net in ready.items()}
        times = time_interleaved(forwards, rounds=rounds, device=device)
        added = times["all"] - times["none"]
        for name, milliseconds in times.items():
            saved = 1 - (milliseconds - times["none"]) / added if added > 0 else float("nan")
            rows.append(
                {
                    "network": name,
                    "placement": str(placements[name]),
                    "batch_size": batch_size,
                    "compiled": compiled,
                    "latency_ms": milliseconds,
                    "against_none": milliseconds / times["none"],
                    "saved_of_added": saved,
                }
            )
    return pd.DataFrame(rows).assign(image_size=image_size)
