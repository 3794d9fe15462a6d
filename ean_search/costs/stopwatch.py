"""Time networks and longer actions: with warm-up, in turn, and synchronised with the GPU."""

import time
from collections.abc import Callable, Mapping

import torch

from ean_search.costs.timing_quality import Times

Forward = Callable[[], object]


def time_interleaved(
    forwards: Mapping[str, Forward], *, rounds: int = 20, warmup: int = 3, device: str = "cpu"
) -> dict[str, float]:
    """Time short calls, such as forward passes, against each other.

    A round times every call once. So when the machine is slow for a while, it is slow for all of
    them, and their differences remain right.

    Args:
        forwards: The calls by name; they run in inference mode.
        rounds: The number of timed rounds.
        warmup: The number of rounds before them, which are not counted.
        device: Where the calls run; a GPU times them by its own events.

    Returns:
        The median of each call in milliseconds.

    Example:
        >>> image = torch.randn(1, 3, 224, 224)
        >>> times = time_interleaved({"plain": lambda: plain(image), "se": lambda: se(image)})
    """
    times = time_rounds(forwards, rounds=rounds, warmup=warmup, device=device)
    return {name: times_of_call.median for name, times_of_call in times.items()}


def time_rounds(
    forwards: Mapping[str, Forward], *, rounds: int = 20, warmup: int = 3, device: str = "cpu"
) -> dict[str, Times]:
    """Time short calls as `time_interleaved` does, and keep the times of every round."""
    seconds: dict[str, list[float]] = {name: [] for name in forwards}
    with torch.inference_mode():
        for number in range(-warmup, rounds):
            for name, forward in forwards.items():
                elapsed = _time_once(forward, device)
                if number >= 0:
                    seconds[name].append(elapsed)
    return {name: Times(tuple(1e3 * s for s in times)) for name, times in seconds.items()}


def _time_once(forward: Forward, device: str) -> float:
    """Return the seconds of one call."""
    if device.startswith("cuda"):
        return _time_on_gpu(forward, device)
    start = time.perf_counter()
    forward()
    return time.perf_counter() - start


def _time_on_gpu(forward: Forward, device: str) -> float:
    with torch.cuda.device(device):  # events are recorded, and waited for, on the current one
        start, end = (
            torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch's types
            for _ in range(2)
        )
        torch.cuda.synchronize()
        start.record()
        forward()
        end.record()
        torch.cuda.synchronize()
        return 1e-3 * float(start.elapsed_time(end))


def time_in_turn(
    actions: Mapping[str, Callable[[], None]], rounds: int, device: str
) -> dict[str, list[float]]:
    """Time long actions, such as an evaluation of many placements, against each other.

    A round times every action once, so other work of the machine slows all of them down alike.

    Args:
        actions: The actions by name.
        rounds: The number of timed rounds; before two or more, a warm-up round is not counted.
        device: Where the actions run.

    Returns:
        The seconds of each action in every round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(rounds + (rounds > 1)):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            if device.startswith("cuda"):
                torch.cuda.synchronize(device)
            if number or rounds == 1:
                seconds[name].append(time.perf_counter() - start)
    return seconds
