"""What Ray Tune costs a search: start-up, milliseconds a placement, bytes, and what workers give.

All is measured against the same evaluator in this process. The network is untrained: it takes as
long, and its scores are as good as any others to compare histories with.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from ean_search.bench.fault_injection import WorkerKiller, lose_node
from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Cost
from ean_search.data.splits import TensorSplit
from ean_search.distributed.config import Workers
from ean_search.distributed.jobs import SharedJob
from ean_search.distributed.ray_evaluator import RayEvaluator
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.builder import build, place
from ean_search.search.evaluator import Evaluator
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.registry import make_searcher
from ean_search.search.trial_log import TrialLog
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import hardware

SEARCHERS = ("reinforce", "surrogate", "optuna-nsga2")
SMALL, LARGE = 8, 64  # cohorts


def bench_tune(
    space: Space,
    small: Space,
    crews: Sequence[Workers],
    *,
    image_size: int = 64,
    images: int = 128,
    rounds: int = 3,
    kills: int = 0,
    nodes: bool = False,
    progress: Progress = silent,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Measure crews on a space, and what they add to a network that takes next to no time."""
    device = hardware(crews[0].device)
    heavy, light = make_plain(space, images, image_size), make_plain(small, 2, 32)
    speeds, overheads = [], []
    for number, workers in enumerate(crews):
        progress("workers", number, len(crews), f"{workers.count}")
        speeds.append(measure_speed(heavy, space, workers, rounds))
        row = measure_overhead(light, small, workers, 10 * rounds)
        overheads.append(row | {"histories_equal": compare_histories(small, workers)})
    frame = pd.DataFrame(speeds)
    frame["against_first"] = frame.placements_per_s / frame.placements_per_s[0]
    yield "tune_speed", frame.assign(hardware=device)
    yield "tune_overhead", pd.DataFrame(overheads).assign(hardware=device)
    if kills:
        progress("kills", 0, kills)
        row = measure_chaos(small, crews[-1], kills, progress)
        yield "tune_chaos", pd.DataFrame([row]).assign(hardware=device)
    if nodes:
        row = lose_node(make_plain(small, 200, 32), small)
        yield "tune_nodes", pd.DataFrame([row]).assign(hardware=device)


def make_plain(space: Space, images: int, image_size: int) -> SharedWeightsEvaluator:
    """Evaluate an untrained network on noise, labelled as it answers itself without attention."""
    network = build(space, classes=10).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    noise = torch.randn(images, 3, image_size, image_size, generator=generator)
    with torch.inference_mode():
        logits = place(network, space.named["none"])(noise)
        network.get_classifier().bias -= logits.mean(0)  # else one class wins everywhere
        labels = (logits - logits.mean(0)).argmax(1)
    return SharedWeightsEvaluator(network, TensorSplit(noise, labels), images)


def measure_speed(
    plain: SharedWeightsEvaluator, space: Space, workers: Workers, rounds: int
) -> dict[str, float]:
    """Time cohorts, none of which was seen before."""
    rng = np.random.default_rng(0)
    job = SharedJob.of(plain, workers.gpus or 1.0)
    with TemporaryDirectory() as folder, RayEvaluator(job, space, workers, Path(folder)) as crew:
        list(crew.evaluate(_cohort(space, LARGE, rng)))  # wakes the workers
        times = [_time(crew, _cohort(space, LARGE, rng)) for _ in range(rounds)]
    return {
        "workers": workers.count,
        "cpus_each": workers.cpus_each,
        "gpus_each": workers.gpus or 0,
        "cohort": LARGE,
        "placements_per_s": LARGE / float(np.median(times)),
    }


def measure_overhead(
    plain: SharedWeightsEvaluator, space: Space, workers: Workers, rounds: int
) -> dict[str, float]:
    """Compare cohorts by workers with the same in this process, where both take no time.

    Start-up is all that comes before the result of the first placement.
    """
    row: dict[str, float] = {"workers": workers.count}
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        with RayEvaluator(SharedJob.of(plain), space, workers, Path(folder)) as crew:
            list(crew.evaluate([space.named["none"]]))
            row["startup_s"] = time.perf_counter() - start
            for size in (SMALL, LARGE):
                cohorts = [_cohort(space, size, np.random.default_rng(i)) for i in range(rounds)]
                list(crew.evaluate(cohorts[0]))
                alone = np.median([_time(plain, cohort) for cohort in cohorts])
                times = np.array([_time(crew, cohort) for cohort in cohorts])
                row[f"overhead_ms_cohort_{size}"] = 1e3 * (np.median(times) - alone) / size
                row[f"slowest_ms_cohort_{size}"] = 1e3 * (times.max() - alone) / size
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        trials = len(crew.results)
        row |= {"trials": trials, "kB_a_trial": sum(f.stat().st_size for f in files) / trials / 1e3}
    return row


def compare_histories(space: Space, workers: Workers) -> bool:
    """Tell whether searches by workers are those of this process, line by line."""
    plain = make_plain(space, 200, 32)
    with (
        TemporaryDirectory() as name,
        RayEvaluator(SharedJob.of(plain), space, workers, Path(name)) as crew,
    ):
        folder = Path(name)
        return all(
            history(space, crew, searcher, 0, folder / f"{searcher}.crew")
            == history(space, plain, searcher, 0, folder / f"{searcher}.plain")
            for searcher in SEARCHERS
        )


def measure_chaos(
    space: Space, workers: Workers, kills: int, progress: Progress = silent
) -> dict[str, object]:
    """Search again and again while workers are killed, and compare with undisturbed searches."""
    plain = make_plain(space, 200, 32)
    searches = trials = 0
    equal = True
    with (
        TemporaryDirectory() as folder,
        RayEvaluator(SharedJob.of(plain), space, workers, Path(folder)) as crew,
    ):
        list(crew.evaluate([space.named["none"]]))
        with WorkerKiller(kills) as killing:
            while not killing.done:
                name = SEARCHERS[searches % len(SEARCHERS)]
                found = history(space, crew, name, searches, Path(folder, f"{searches}.jsonl"))
                expected = history(space, plain, name, searches, Path(folder, f"{searches}.plain"))
                equal &= found == expected
                searches, trials = searches + 1, trials + len(found)
                progress("kills", killing.count, kills, f"{trials} trials")
        restarted = crew.inbox.retries
    return {
        "workers": workers.count,
        "kills": killing.count,
        "trials_restarted": restarted,
        "searches": searches,
        "placements": trials,
        "histories_equal": equal,
    }


def history(space: Space, evaluator: Evaluator, searcher: str, seed: int, path: Path) -> list[str]:
    """Search a space and return what was found, line by line, without times."""
    problem = Problem(space, Objective.parse("accuracy - 0.02 latency"), _price)
    store, budget = TrialLog(path, space), min(64, space.size)
    made = make_searcher(searcher, problem)
    run_search(problem, made, evaluator, store, SearchSettings(budget, SMALL, seed=seed))
    return [f"{t.number} {t.step} {t.placement} {t.accuracy} {t.status}" for t in store.trials]


def _price(placement: Placement) -> Cost:
    count = placement.attached
    return Cost(count, 1000 + count, 1000, 1000, 10.0 + count, 0)


def _cohort(space: Space, size: int, rng: np.random.Generator) -> list[Placement]:
    return [space.sample(rng) for _ in range(size)]


def _time(evaluator: Evaluator, cohort: Sequence[Placement]) -> float:
    start = time.perf_counter()
    list(evaluator.evaluate(cohort))
    return time.perf_counter() - start
