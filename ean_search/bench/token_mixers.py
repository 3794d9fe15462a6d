"""Token mixers against each other as maps grow: key-only attention is linear, full is quadratic."""

from functools import partial

import pandas as pd
import torch

from ean_search.attention.registry import make_attention
from ean_search.costs.flops import count_flops
from ean_search.costs.latency import time_interleaved
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import hardware

MIXERS = ("key_only", "full")
SIDES = (16, 32, 64, 128)  # of a map: up to 16,384 tokens


def bench_mixers(
    *, channels: int = 64, rounds: int = 5, device: str = "cpu", progress: Progress = silent
) -> pd.DataFrame:
    """Time and count the mixers: a row for each number of tokens."""
    rows = []
    for number, side in enumerate(SIDES):
        progress("mixers", number, len(SIDES), f"{side * side:,} tokens")
        mixers = {name: make_attention(name, channels).eval().to(device) for name in MIXERS}
        x = torch.randn(1, channels, side, side, device=device)
        forwards = {name: partial(mixer, x) for name, mixer in mixers.items()}
        times = time_interleaved(forwards, rounds=rounds, device=device)
        row = {"tokens": side * side, "channels": channels}
        for name, mixer in mixers.items():
            row[f"{name}_ms"] = times[name]
            row[f"{name}_macs"] = count_flops(mixer, x)[0]
        rows.append(row | {"hardware": hardware(device)})
    progress("mixers", len(SIDES), len(SIDES))
    return pd.DataFrame(rows)
