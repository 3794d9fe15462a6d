"""A stopwatch for networks and for whole actions: warmed up, interleaved and synchronised."""

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


def time_in_turn(
    actions: dict[str, Callable[[], None]], rounds: int, device: str
) -> dict[str, list[float]]:
    """Time whole actions in turn, and return the seconds of every round of each.

    What else a machine does falls on all of them alike. With several rounds, a first one is not
    counted.
    """
    times: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(rounds + (rounds > 1)):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            if number or rounds == 1:
                times[name].append(time.perf_counter() - start)
    return times
