import time
from contextlib import contextmanager
from typing import ClassVar

import pytest
import torch

from ean_search.costs.stopwatch import time_in_turn, time_interleaved


def test_medians_are_ordered_by_work_in_spite_of_one_slow_round():
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


def test_calls_run_without_gradients():
    weight = torch.ones(2, requires_grad=True)
    kept = []
    time_interleaved({"x": lambda: kept.append((2 * weight).requires_grad)}, rounds=1)
    assert not any(kept)


@pytest.mark.parametrize(("rounds", "calls"), [(1, 1), (2, 3), (4, 5)])
def test_actions_take_turns_after_a_warm_up_round(rounds, calls):
    log = []
    actions = {"first": lambda: log.append("first"), "second": lambda: log.append("second")}
    seconds = time_in_turn(actions, rounds, "cpu")
    assert log == ["first", "second"] * calls
    assert [len(seconds[name]) for name in actions] == [rounds, rounds]


def test_actions_are_timed_in_seconds():
    seconds = time_in_turn({"sleep": lambda: time.sleep(0.02), "none": lambda: None}, 2, "cpu")
    assert all(0.02 <= value < 2 for value in seconds["sleep"])
    assert max(seconds["none"]) < min(seconds["sleep"])


class FakeEvent:
    """An event of a GPU that notes on which one it is recorded."""

    recorded: ClassVar[list] = []
    current: ClassVar[list] = ["cuda:0"]

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        self.recorded.append(self.current[-1])

    def elapsed_time(self, end):
        return 5.0


@contextmanager
def on_fake_gpu(name):
    FakeEvent.current.append(name)
    yield
    FakeEvent.current.pop()


def test_events_are_recorded_on_the_gpu_that_computes(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    monkeypatch.setattr(torch.cuda, "device", on_fake_gpu)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device=None: waited.append(device))
    times = time_interleaved({"one": lambda: None}, rounds=2, warmup=0, device="cuda:1")
    assert times["one"] == pytest.approx(5)
    assert FakeEvent.recorded == ["cuda:1"] * 4
    waited.clear()
    time_in_turn({"one": lambda: None}, 1, "cuda:1")
    assert waited == ["cuda:1"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_work_on_a_gpu_is_waited_for():
    x = torch.randn(2048, 2048, device="cuda")

    def multiply():
        for _ in range(20):
            x @ x

    times = time_interleaved({"multiply": multiply}, rounds=5, device="cuda")
    seconds = time_in_turn({"multiply": multiply}, 5, "cuda")
    assert times["multiply"] > 0.5
    assert min(seconds["multiply"]) > 0.5e-3
