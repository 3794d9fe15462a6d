"""Which cost tables are cached, with networks that take as long as a test says."""

import pytest

from ean_search.costs import measure, timing_quality
from ean_search.costs.measure import measure_costs, retime_costs
from ean_search.costs.timing_quality import LoadMeter, Times


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    """Trust no timing blindly here, and cache nothing for other tests."""
    monkeypatch.setenv("EAN_SEARCH_CACHE", str(tmp_path))
    monkeypatch.setattr(timing_quality, "LOAD_TOLERANCE", 0.10)
    monkeypatch.setattr(timing_quality, "HALVES_TOLERANCE", 0.05)
    monkeypatch.setattr(timing_quality, "SECONDS_BEFORE_AGAIN", 0.0)


@pytest.fixture
def machine(monkeypatch):
    """Return the state of a machine: its load, and the times of `none` and of `all`."""
    state = {"load": 0.0, "none": 10.0, "all": 13.0, "timings": 0}

    def time_networks(networks, table, device, rounds, example):
        state["timings"] += 1
        return {"0": Times((state["none"],) * 4), "1": Times((state["all"],) * 4)}

    monkeypatch.setattr(measure, "time_networks", time_networks)
    monkeypatch.setattr(LoadMeter, "read", lambda self: state["load"])
    return state


def ratio(space, table):
    plain, full = (table.price(space.named[name]) for name in ("none", "all"))
    return full.latency_ms / plain.latency_ms


def test_a_good_table_is_cached_with_its_timing(tiny, machine, caplog):
    first = measure_costs(tiny, classes=10)
    machine["all"] = 20.0
    assert measure_costs(tiny, classes=10) == first
    assert machine["timings"] == 1
    assert first.timing.load == 0.0
    assert not caplog.records


def test_a_table_timed_on_a_busy_machine_is_used_but_not_cached(tiny, machine, caplog):
    machine |= {"load": 0.5, "all": 11.55}
    table = measure_costs(tiny, classes=10)
    assert ratio(tiny, table) == pytest.approx(1.155)
    assert table.timing.doubts
    assert machine["timings"] == 2
    assert caplog.messages[1:] == [
        "latencies of tiny: used, but not cached: "
        "other processes used 50 % of the CPUs (tolerance 10 %)"
    ]
    machine |= {"load": 0.0, "all": 13.0}
    assert ratio(tiny, measure_costs(tiny, classes=10)) == pytest.approx(1.3)
    assert machine["timings"] == 3


def test_halves_that_disagree_are_not_cached(tiny, machine, monkeypatch, caplog):
    times = {"0": Times((10.0, 10.0, 11.0, 11.0)), "1": Times((13.0,) * 4)}
    monkeypatch.setattr(measure, "time_networks", lambda *_: times)
    assert measure_costs(tiny, classes=10).timing.halves == pytest.approx(1 / 10.5)
    assert "not cached: the halves of the rounds differ by 10 %" in caplog.messages[-1]


def test_retiming_replaces_the_cached_table(tiny, machine):
    machine["all"] = 11.55
    measure_costs(tiny, classes=10)
    machine["all"] = 13.0
    again = retime_costs(tiny, classes=10)
    assert ratio(tiny, again) == pytest.approx(1.3)
    assert measure_costs(tiny, classes=10) == again


def test_retiming_on_a_busy_machine_leaves_the_cached_table(tiny, machine, caplog):
    good = measure_costs(tiny, classes=10)
    machine |= {"load": 0.5, "all": 11.55}
    assert ratio(tiny, retime_costs(tiny, classes=10)) == pytest.approx(1.155)
    assert "used, but not cached (the cached ones stay)" in caplog.messages[-1]
    assert measure_costs(tiny, classes=10) == good
