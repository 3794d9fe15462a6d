"""The benchmarks run and say what they measured; how fast things are is not for tests."""

import pytest

from ean_search.bench.memory import measure_memory
from ean_search.bench.speed import (
    measure_networks,
    measure_pricing,
    measure_recalibration,
    measure_speed,
    measure_step,
)
from ean_search.core.space import load_space
from ean_search.costs.measure import measure_costs


@pytest.fixture(scope="module")
def space():
    return load_space("resnet18_shared")


def test_cohorts_are_timed_against_their_members(space):
    frame = measure_speed(space, image_size=32, images=4, rounds=1)
    assert list(frame.measured) == [1, 64, 64, 256, 256]
    assert (frame.speedup > 0).all()
    assert frame.speedup.iloc[3] > frame.speedup.iloc[0]


def test_steps_memory_and_prices_are_measured(space):
    assert set(measure_step(space, image_size=32, batch_size=4, rounds=2)) == {"ours", "theirs"}
    memory = measure_memory(space, image_size=32, images=8)
    assert memory["together"] >= 0.9 * memory["one by one"] > 1e8
    table = measure_costs(space, classes=10, image_size=32, rounds=1)
    assert 0 < measure_pricing(space, table, count=50) < 10_000
    assert measure_recalibration(space, image_size=32, images=8, rounds=1) > 0


def test_networks_are_compared_with_none_and_all(space):
    frame = measure_networks(space, space.named, image_size=32, batch_sizes=(1, 2), rounds=2)
    none = frame[frame.network == "none"]
    assert none.against_none.tolist() == [1.0, 1.0]
    assert len(frame) == 2 * len(space.named)
