import time

import torch

from ean_search.costs.latency import time_interleaved


def test_medians_order_by_work_and_shrug_off_one_slow_round():
    calls = []

    def slow():
        calls.append("slow")
        time.sleep(0.05 if len(calls) == 9 else 0.004)

    def fast():
        calls.append("fast")
        time.sleep(0.001)

    times = time_interleaved({"slow": slow, "fast": fast}, rounds=7, warmup=1)
    assert calls == ["slow", "fast"] * 8
    assert 0.9 < times["fast"] < times["slow"] < 30


def test_no_gradients_are_kept():
    weight = torch.ones(2, requires_grad=True)
    kept = []
    time_interleaved({"x": lambda: kept.append((2 * weight).requires_grad)}, rounds=1)
    assert not any(kept)
