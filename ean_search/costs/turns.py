"""Times things in turn, so that what else a machine does falls on all of them alike."""

import time
from collections.abc import Callable

import torch


def in_turn(
    actions: dict[str, Callable[[], None]], rounds: int, device: str
) -> dict[str, list[float]]:
    """Time actions in turn, after a warm-up of the shorter kind."""
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
