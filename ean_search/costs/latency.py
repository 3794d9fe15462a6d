"""A stopwatch for networks: warmed up, interleaved, synchronised; the median counts."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch

Forward = Callable[[], object]


def time_interleaved(
    forwards: Mapping[str, Forward], *, rounds: int = 20, warmup: int = 3, device: str = "cpu"
) -> dict[str, float]:
    """Time every forward once a round, and return each one's median in milliseconds.

    Interleaving shares the machine's slow moments out evenly, so that differences survive them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in forwards}
    with torch.inference_mode():
        for number in range(-warmup, rounds):
            for name, forward in forwards.items():
                elapsed = _time_once(forward, device)
                if number >= 0:
                    seconds[name].append(elapsed)
    return {name: 1e3 * statistics.median(times) for name, times in seconds.items()}


def _time_once(forward: Forward, device: str) -> float:
    if device.startswith("cuda"):
        return _time_on_gpu(forward)
    start = time.perf_counter()
    forward()
    return time.perf_counter() - start


def _time_on_gpu(forward: Forward) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    forward()
    end.record()
    torch.cuda.synchronize()
    return 1e-3 * start.elapsed_time(end)
