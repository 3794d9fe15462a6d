"""How much faster a cohort is evaluated than its members one by one.

Every row is a ratio of two times, measured in turn in one process on the same images: absolute
times of a shared machine mean little, but ratios of medians are stable.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import nn

from ean_search.analysis.run_folder import Run
from ean_search.bench.network_speed import measure_networks, measure_ratios
from ean_search.bench.precision import measure_precision
from ean_search.bench.timing import TimingSettings, evaluation_of
from ean_search.core.space import Placement, Space
from ean_search.costs.stopwatch import time_in_turn
from ean_search.data.datasets import load_data
from ean_search.data.splits import Split, TensorSplit
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.builder import build, place
from ean_search.runs.evaluator_factory import make_shared_evaluator
from ean_search.runs.experiment import load_experiment
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import hardware

SINGLE_PASSES = 24  # per round, about: as many members of a larger cohort are passed one by one
SINGLE_PLACEMENT_ROUNDS = 7  # times the rounds of others: short times are noisier
LAST_SITES = 8  # of a cohort whose members differ only there
SUBTREE_SITES = 12  # of a space too large to enumerate, all choices at the last sites are timed


def bench_speed(
    space: Space,
    timing: TimingSettings,
    *,
    run: Run | None = None,
    compiled: bool = False,
    progress: Progress = silent,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Measure cohorts, single ratios, finished networks and precisions.

    Args:
        space: The space whose networks are timed, after `probe`.
        timing: Images and rounds of the cohorts, and the device of everything.
        run: A finished run of this space, for its best placement and its trained network.
        compiled: Whether to time compiled networks too.
        progress: Receives the progress of the cohorts.

    Yields:
        The name of a CSV file and its frame, one after the other.
    """
    measurements = {
        "speed": partial(measure_cohorts, space, timing, progress),
        "speed_ratios": partial(measure_ratios, space, timing),
        "speed_networks": partial(_measure_networks, space, run, compiled, timing.device),
        "speed_arithmetic": partial(_measure_precision, space, run, timing.device),
    }
    for name, measure in measurements.items():
        yield name, measure().assign(hardware=hardware(timing.device))


def _measure_networks(space: Space, run: Run | None, compiled: bool, device: str) -> pd.DataFrame:
    """Time the named placements' networks and the best of a run, as they are and compiled."""
    placements = space.named | ({"best": run.find("best")} if run else {})
    frames = [
        measure_networks(
            space, placements, image_size=space.image_size, compiled=compile_them, device=device
        )
        for compile_them in ((False, True) if compiled else (False,))
    ]
    return pd.concat(frames, ignore_index=True)


def _measure_precision(space: Space, run: Run | None, device: str) -> pd.DataFrame:
    network, space, split = _network_and_split(space, run, device)
    return measure_precision(network, space, split, device=device)


def _network_and_split(
    space: Space, run: Run | None, device: str
) -> tuple[nn.Module, Space, Split]:
    """Return a run's network and search split; without a run, an untrained network and noise."""
    if run is None:
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(256, 3, 64, 64, generator=generator)
        return build(space, classes=10), space, TensorSplit(noise, torch.zeros(256).long())
    experiment = load_experiment(run.experiment_file, {"device": device}, run.trust)
    shared = make_shared_evaluator(run, experiment, load_data(experiment.data), None, silent)
    return shared.network, run.space, shared.split


@dataclass(frozen=True)
class Cohort:
    """Placements to time together."""

    name: str
    placements: Sequence[Placement]
    stands_for: int  # placements of the larger cohort that these are a part of

    def rounds(self, rounds: int) -> int:
        """Return how often to time it: long cohorts once, a single placement more often."""
        if self.stands_for > len(self.placements):
            return 1
        return rounds * (SINGLE_PLACEMENT_ROUNDS if len(self.placements) == 1 else 1)


def measure_cohorts(
    space: Space, timing: TimingSettings, progress: Progress = silent
) -> pd.DataFrame:
    """Time cohorts against their members one by one; return one row per cohort."""
    device = timing.device
    network = build(space, classes=10).eval().to(device)
    evaluator = SharedWeightsEvaluator(network, timing.make_split(), timing.images, device)
    rows = []
    cohorts = _make_cohorts(space)
    for number, cohort in enumerate(cohorts):
        progress("speed", number, len(cohorts), cohort.name)
        rows.append(_time_cohort(evaluator, cohort, cohort.rounds(timing.rounds), device))
    progress("speed", len(cohorts), len(cohorts))
    return pd.DataFrame(rows).assign(images=timing.images, image_size=timing.image_size)


def _make_cohorts(space: Space) -> list[Cohort]:
    rng = np.random.default_rng(0)
    sites = space.sites
    few = min(LAST_SITES, sites)
    last = [space.placement([0] * (sites - few) + _bits(i, few)) for i in range(2**few)]
    likely = rng.random(sites) < 0.5
    flips = rng.random((64, sites)) < 0.05
    open_sites = min(SUBTREE_SITES, sites)
    head = [0] * (sites - open_sites)
    subtree = [space.placement(head + _bits(i, open_sites)) for i in range(2**open_sites)]
    random = [space.placement(rng.integers(0, 2, sites)) for _ in range(64)]
    return [
        Cohort("1 placement", [space.named["every-other"]], 1),
        Cohort("64 random", random, 64),
        Cohort("64 at p = .95", [space.placement(likely ^ flip) for flip in flips], 64),
        Cohort(f"{len(last)} of the last {few} sites", last, len(last)),
        Cohort(f"all {2**sites}", subtree, 2**sites),
    ]


def _bits(number: int, width: int) -> list[int]:
    return [number >> (width - 1 - i) & 1 for i in range(width)]


def _time_cohort(
    evaluator: SharedWeightsEvaluator, cohort: Cohort, rounds: int, device: str
) -> dict[str, object]:
    """Time a cohort and, in turn, single passes of some members over the same images."""
    placements = cohort.placements
    sample = placements[:: max(1, len(placements) // SINGLE_PASSES)]
    batches = list(evaluator.split.batches(evaluator.batch_size, device=device))

    def pass_one_by_one() -> None:
        with torch.inference_mode():
            for placement in sample:
                place(evaluator.network, placement)
                for images, _ in batches:
                    evaluator.network(images).argmax(1)

    actions = {"cohort": evaluation_of(evaluator, placements), "single": pass_one_by_one}
    times = time_in_turn(actions, rounds, device)
    return {
        "case": cohort.name,
        "measured": len(placements),
        "stands_for": cohort.stands_for,
        "rounds": rounds,
    } | _speedup(np.array(times["cohort"]), np.array(times["single"]), len(placements), len(sample))


def _speedup(cohort: np.ndarray, single: np.ndarray, members: int, sample: int) -> dict[str, float]:
    """Compare the seconds per placement of each round."""
    ratios = (single / sample) / (cohort / members)
    return {
        "speedup": statistics.median(ratios),
        "lowest": ratios.min(),
        "highest": ratios.max(),
        "placements_per_s": members / statistics.median(cohort),
    }
