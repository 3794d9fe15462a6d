"""How much memory a cohort takes against single passes: the peaks of two processes, on Linux."""

import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from ean_search.core.space import Space
from ean_search.data.splits import TensorSplit
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.builder import build
from ean_search.utils.runtime import keep_freed_memory


def measure_memory(space: Space, *, image_size: int = 64, images: int = 128) -> dict[str, float]:
    """Return the peak resident bytes of a process with a cohort, and of one with single passes."""
    ways = {"together": 16, "one by one": 1}
    return {way: _in_new_process(space, image_size, images, n) for way, n in ways.items()}


def _in_new_process(space: Space, image_size: int, images: int, count: int) -> float:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak, space.model_dump_json(), image_size, images, count).result()


def _peak(space_json: str, image_size: int, images: int, count: int) -> float:
    """Evaluate some random placements, count at a time, and return this process's peak."""
    keep_freed_memory()
    space = Space.model_validate_json(space_json)
    rng = np.random.default_rng(0)
    placements = [space.sample(rng) for _ in range(16)]  # they open nearly every site
    split = TensorSplit(
        torch.randn(images, 3, image_size, image_size), torch.zeros(images, dtype=torch.long)
    )
    evaluator = SharedWeightsEvaluator(build(space, classes=10), split, images)
    for start in range(0, len(placements), count):
        list(evaluator.evaluate(placements[start : start + count]))
    # Not getrusage's figure: that starts from the peak of the process that started this one.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024.0 * float(peak[1])
