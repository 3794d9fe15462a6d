"""The measurements run and name what they measured; how fast things are is not for tests."""

import math
import sys

import pytest

from ean_search.bench import network_speed
from ean_search.bench.network_speed import (
    measure_networks,
    measure_pricing,
    measure_ratios,
    measure_recalibration,
    measure_step,
)
from ean_search.bench.timing import TimingSettings
from ean_search.costs.measure import measure_costs


def test_a_training_step_is_compared_with_timm_s(small_resnet):
    seconds = measure_step(small_resnet, image_size=32, batch_size=4, rounds=2)
    assert set(seconds) == {"ours", "timm"}
    assert min(seconds.values()) > 0


def test_prices_are_timed_without_remembered_ones(tiny):
    table = measure_costs(tiny, classes=10, image_size=32, rounds=1)
    assert 0 < measure_pricing(tiny, table, count=50) < 10_000


def test_recalibration_is_timed(small_resnet):
    assert measure_recalibration(small_resnet, TimingSettings(32, images=8, rounds=1)) > 0


@pytest.mark.slow
def test_ratios_are_one_row_each(small_resnet, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    memory = {"cohort": 3e8, "single": 2e8}
    monkeypatch.setattr(network_speed, "measure_memory", lambda space, timing: memory)
    frame = measure_ratios(small_resnet, TimingSettings(32, images=8, rounds=1))
    values = frame.set_index("figure").value
    assert list(frame.columns) == ["figure", "value"]
    assert (values > 0).all()
    assert values["peak memory, cohort / single"] == 1.5
    assert "training step, ours / timm's with SE" in values


def test_networks_are_compared_with_none_and_all(small_resnet):
    named = small_resnet.named
    frame = measure_networks(small_resnet, named, image_size=32, batch_sizes=(1, 2), rounds=2)
    none, everything = frame[frame.network == "none"], frame[frame.network == "all"]
    assert none.against_none.tolist() == [1.0, 1.0]
    assert len(frame) == 2 * len(named)
    for saved in none.saved_of_added:
        assert saved == 1 or math.isnan(saved)
    for saved in everything.saved_of_added:
        assert saved == pytest.approx(0) or math.isnan(saved)
