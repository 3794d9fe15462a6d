"""How much memory a cohort takes against single passes: the peaks of two processes, on Linux."""

import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ean_search.bench.timing import TimingSettings
from ean_search.core.space import Space
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.builder import build
from ean_search.utils.runtime import keep_freed_memory

COHORT_SIZE = 16  # random placements: they open nearly every site


def measure_memory(space: Space, timing: TimingSettings) -> dict[str, float]:
    """Measure the peak of a process that evaluates a cohort, and of one with single passes.

    Returns:
        Peak resident bytes, under the names `cohort` and `single`.
    """
    cohort_sizes = {"cohort": COHORT_SIZE, "single": 1}
    return {name: _in_new_process(space, timing, size) for name, size in cohort_sizes.items()}


def _in_new_process(space: Space, timing: TimingSettings, cohort_size: int) -> float:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak, space.model_dump_json(), timing, cohort_size).result()


def _peak(space_json: str, timing: TimingSettings, cohort_size: int) -> float:
    """Evaluate random placements in cohorts of a size, and return this process's peak."""
    keep_freed_memory()
    space = Space.model_validate_json(space_json)
    rng = np.random.default_rng(0)
    placements = [space.sample(rng) for _ in range(COHORT_SIZE)]
    network = build(space, classes=10)
    evaluator = SharedWeightsEvaluator(network, timing.make_split(), timing.images)
    for start in range(0, len(placements), cohort_size):
        list(evaluator.evaluate(placements[start : start + cohort_size]))
    # Not getrusage's figure: that starts from the peak of the process that started this one.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None, "Linux reports the peak of every process"
    return 1024.0 * float(peak[1])
