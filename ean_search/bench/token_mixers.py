"""Token mixers against each other as maps grow: key-only attention is linear, full is quadratic."""

from functools import partial

import pandas as pd
import torch
from torch import Tensor

from ean_search.attention.registry import make_attention
from ean_search.costs.flops import count_flops
from ean_search.costs.stopwatch import time_interleaved
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import hardware

MIXERS = ("key_only", "full")
MAP_SIDES = (16, 32, 64, 128)  # pixels: up to 16,384 tokens


def bench_mixers(
    *, channels: int = 64, rounds: int = 5, device: str = "cpu", progress: Progress = silent
) -> pd.DataFrame:
    """Time the mixers and count their operations.

    Args:
        channels: Channels of the map.
        rounds: Passes of each mixer, of which the median counts.
        device: Where to time.
        progress: Receives the number of finished map sizes.

    Returns:
        One row per map size, with the milliseconds and the multiply-accumulates of each mixer.
    """
    rows = []
    for number, side in enumerate(MAP_SIDES):
        progress("mixers", number, len(MAP_SIDES), f"{side * side:,} tokens")
        x = torch.randn(1, channels, side, side, device=device)
        rows.append({"tokens": side * side, "channels": channels} | _measure(x, rounds, device))
    progress("mixers", len(MAP_SIDES), len(MAP_SIDES))
    return pd.DataFrame(rows).assign(hardware=hardware(device))


def _measure(x: Tensor, rounds: int, device: str) -> dict[str, float]:
    """Time and count all mixers on one map (1, channels, side, side)."""
    mixers = {name: make_attention(name, x.shape[1]).eval().to(device) for name in MIXERS}
    forwards = {name: partial(mixer, x) for name, mixer in mixers.items()}
    times = time_interleaved(forwards, rounds=rounds, device=device)
    row = {}
    for name, mixer in mixers.items():
        row[f"{name}_ms"] = times[name]
        row[f"{name}_macs"] = count_flops(mixer, x)[0]
    return row
