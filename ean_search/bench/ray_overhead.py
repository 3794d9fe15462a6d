"""What Ray Tune costs a search: start-up, milliseconds and bytes; and what workers give.

Everything is compared with the same evaluator in this process. The network is untrained: it takes
as long as a trained one, and its accuracies are as good as others to compare histories with.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from ean_search.bench.fault_injection import WorkerKiller, lose_node, start_workers
from ean_search.bench.timing import TimingSettings
from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Placement, Space
from ean_search.data.splits import TensorSplit
from ean_search.distributed.config import Workers
from ean_search.distributed.jobs import SharedJob
from ean_search.distributed.ray_evaluator import RayEvaluator
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.builder import build, place
from ean_search.search.evaluator import Evaluator
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.registry import make_searcher
from ean_search.search.trial_log import InMemoryTrialLog
from ean_search.testing.toy import price
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import hardware

SEARCHERS = ("reinforce", "surrogate", "optuna-nsga2")
SMALL_COHORT, LARGE_COHORT = 8, 64  # placements
SEARCH_BUDGET = 64  # evaluations of a search whose history is compared
SEARCH_IMAGES, SEARCH_IMAGE_SIZE = 200, 32


def bench_tune(
    space: Space,
    small: Space,
    worker_settings: Sequence[Workers],
    timing: TimingSettings,
    *,
    kills: int = 0,
    nodes: bool = False,
    progress: Progress = silent,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Measure workers: what they give on one space, and what they cost on a small one.

    Args:
        space: The space of the timed cohorts, after `probe`.
        small: A space whose network takes next to no time; searches run on it.
        worker_settings: Workers to compare; the last of them are those that are killed.
        timing: Images and rounds of the timed cohorts.
        kills: Number of workers to kill during searches.
        nodes: Whether to lose one of two nodes.
        progress: Receives the progress of workers and kills.

    Yields:
        The name of a CSV file, and the frame that belongs into it.
    """
    device = hardware(worker_settings[0].device)
    for name, frame in _measure_workers(space, small, worker_settings, timing, progress):
        yield name, frame.assign(hardware=device)
    if kills:
        progress("kills", 0, kills)
        row = measure_under_kills(small, worker_settings[-1], kills, progress)
        yield "tune_chaos", pd.DataFrame([row]).assign(hardware=device)
    if nodes:
        row = lose_node(_make_search_evaluator(small), small)
        yield "tune_nodes", pd.DataFrame([row]).assign(hardware=device)


def _measure_workers(
    space: Space,
    small: Space,
    worker_settings: Sequence[Workers],
    timing: TimingSettings,
    progress: Progress,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Measure speed and overhead of all workers, and compare histories."""
    heavy = make_untrained_evaluator(space, timing.images, timing.image_size)
    light = make_untrained_evaluator(small, 2, 32)
    speeds, overheads = [], []
    for number, workers in enumerate(worker_settings):
        progress("workers", number, len(worker_settings), f"{workers.count}")
        speeds.append(measure_speed(heavy, space, workers, timing.rounds))
        row = measure_overhead(light, small, workers, 10 * timing.rounds)
        overheads.append(row | {"histories_equal": compare_histories(small, workers)})
    frame = pd.DataFrame(speeds)
    frame["against_first"] = frame.placements_per_s / frame.placements_per_s[0]
    yield "tune_speed", frame
    yield "tune_overhead", pd.DataFrame(overheads)


def make_untrained_evaluator(space: Space, images: int, image_size: int) -> SharedWeightsEvaluator:
    """Evaluate an untrained network on noise, whose labels are its answers without attention.

    Args:
        space: The space of the network.
        images: Number of images, evaluated as one batch.
        image_size: Height and width of the images, in pixels.
    """
    network = build(space, classes=10).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    noise = torch.randn(images, 3, image_size, image_size, generator=generator)
    with torch.inference_mode():
        logits = place(network, space.named["none"])(noise)
        _classifier_of(network).bias.sub_(logits.mean(0))  # else one class wins everywhere
        labels = (logits - logits.mean(0)).argmax(1)
    return SharedWeightsEvaluator(network, TensorSplit(noise, labels), images)


def _classifier_of(network: nn.Module) -> nn.Linear:
    """Return the last layer of a timm network."""
    get_classifier: Any = network.get_classifier  # a method, which torch's types do not foresee
    classifier = get_classifier()
    assert isinstance(classifier, nn.Linear)
    return classifier


def _make_search_evaluator(space: Space) -> SharedWeightsEvaluator:
    return make_untrained_evaluator(space, SEARCH_IMAGES, SEARCH_IMAGE_SIZE)


def measure_speed(
    local: SharedWeightsEvaluator, space: Space, workers: Workers, rounds: int
) -> dict[str, float]:
    """Time so many large cohorts of new placements, evaluated by workers."""
    rng = np.random.default_rng(0)
    with start_workers(local, space, workers, workers.gpus or 1.0) as evaluator:
        list(evaluator.evaluate(_draw(space, LARGE_COHORT, rng)))  # starts the workers
        times = [_time(evaluator, _draw(space, LARGE_COHORT, rng)) for _ in range(rounds)]
    return {
        "workers": workers.count,
        "cpus_each": workers.cpus_each,
        "gpus_each": workers.gpus or 0,
        "cohort": LARGE_COHORT,
        "placements_per_s": LARGE_COHORT / float(np.median(times)),
    }


def measure_overhead(
    local: SharedWeightsEvaluator, space: Space, workers: Workers, rounds: int
) -> dict[str, float]:
    """Compare cohorts by workers with the same in this process, for a network that takes no time.

    Start-up is the time until the result of the first placement.
    """
    row: dict[str, float] = {"workers": workers.count}
    with TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        with RayEvaluator(SharedJob.of(local), space, workers, folder) as evaluator:
            list(evaluator.evaluate([space.named["none"]]))
            row["startup_s"] = time.perf_counter() - start
            for size in (SMALL_COHORT, LARGE_COHORT):
                row |= _compare_times(local, evaluator, space, size, rounds)
        assert evaluator.results is not None, "the Tuner ended with the block"
        trials = len(evaluator.results)
        size_on_disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return row | {"trials": trials, "kB_a_trial": size_on_disk / trials / 1e3}


def _compare_times(
    local: Evaluator, evaluator: Evaluator, space: Space, size: int, rounds: int
) -> dict[str, float]:
    """Return the milliseconds per placement that workers add to cohorts of a size."""
    cohorts = [_draw(space, size, np.random.default_rng(i)) for i in range(rounds)]
    list(evaluator.evaluate(cohorts[0]))
    expected = np.median([_time(local, cohort) for cohort in cohorts])
    times = np.array([_time(evaluator, cohort) for cohort in cohorts])
    return {
        f"overhead_ms_cohort_{size}": float(1e3 * (np.median(times) - expected) / size),
        f"slowest_ms_cohort_{size}": float(1e3 * (times.max() - expected) / size),
    }


def compare_histories(space: Space, workers: Workers) -> bool:
    """Tell whether searches with workers have the same history as those in this process."""
    local = _make_search_evaluator(space)
    with start_workers(local, space, workers) as evaluator:
        return all(
            search_history(space, evaluator, name, 0) == search_history(space, local, name, 0)
            for name in SEARCHERS
        )


def measure_under_kills(
    space: Space, workers: Workers, kills: int, progress: Progress = silent
) -> dict[str, object]:
    """Search again and again while workers are killed, and compare with undisturbed searches."""
    local = _make_search_evaluator(space)
    searches, placements, equal = 0, 0, True
    with start_workers(local, space, workers) as evaluator:
        list(evaluator.evaluate([space.named["none"]]))
        with WorkerKiller(kills) as killer:
            while not killer.done:
                name = SEARCHERS[searches % len(SEARCHERS)]
                history = search_history(space, evaluator, name, searches)
                equal &= history == search_history(space, local, name, searches)
                searches, placements = searches + 1, placements + len(history)
                progress("kills", killer.count, kills, f"{placements} trials")
        restarted = evaluator.callback.retries
    row: dict[str, object] = {
        "workers": workers.count,
        "kills": killer.count,
        "trials_restarted": restarted,
    }
    return row | {"searches": searches, "placements": placements, "histories_equal": equal}


def search_history(space: Space, evaluator: Evaluator, searcher: str, seed: int) -> list[str]:
    """Search a space, and return its history: one line per trial, without times."""
    problem = Problem(space, Objective.parse("accuracy - 0.02 latency"), price)
    settings = SearchSettings(min(SEARCH_BUDGET, space.size), SMALL_COHORT, seed=seed)
    log = InMemoryTrialLog()
    run_search(problem, make_searcher(searcher, problem), evaluator, log, settings)
    return [f"{t.number} {t.step} {t.placement} {t.accuracy} {t.status}" for t in log.trials]


def _draw(space: Space, size: int, rng: np.random.Generator) -> list[Placement]:
    return [space.sample(rng) for _ in range(size)]


def _time(evaluator: Evaluator, cohort: Sequence[Placement]) -> float:
    start = time.perf_counter()
    list(evaluator.evaluate(cohort))
    return time.perf_counter() - start
