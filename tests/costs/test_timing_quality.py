"""Timings that say how far they can be trusted, with clocks and loads that are made up."""

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from ean_search.costs import timing_quality as module
from ean_search.costs.timing_quality import LoadMeter, Times, Timing, time_with_care

QUIET = Times((2.0, 2.0, 2.0, 2.0))
SLOWER = Times((2.0, 2.0, 3.0, 3.0))


@pytest.fixture(autouse=True)
def tolerances(monkeypatch):
    """Set the tolerances that the other tests of the suite do without."""
    monkeypatch.setattr(module, "LOAD_TOLERANCE", 0.10)
    monkeypatch.setattr(module, "HALVES_TOLERANCE", 0.05)


@pytest.fixture
def loads(monkeypatch):
    """Return a list of what load meters read, one value a timing; idle when it is empty."""
    values = []
    monkeypatch.setattr(LoadMeter, "read", lambda self: values.pop(0) if values else 0.0)
    return values


@pytest.fixture
def waits(monkeypatch):
    """Return the list of waits, none of which takes time."""
    seconds = []
    monkeypatch.setattr(module.time, "sleep", seconds.append)
    return seconds


def made(**changes):
    fields = {"date": "2026-01-01T00:00:00+00:00", "rounds": 20}
    return Timing(**(fields | {"spread": 0.02, "halves": 0.01, "load": 0.0} | changes))


def test_times_have_a_median_a_spread_and_halves():
    times = Times((1.0, 2.0, 3.0, 4.0, 5.0))
    assert times.median == 3.0
    assert times.spread == pytest.approx(2 / 3)  # from 2 to 4
    assert times.halves == pytest.approx(3 / 3)  # 1.5 against 4.5; the round between is in neither
    assert (QUIET.spread, QUIET.halves) == (0.0, 0.0)
    assert (Times((7.0,)).spread, Times((7.0,)).halves) == (0.0, 0.0)


def test_what_is_doubtful_says_why_with_figures_and_tolerances():
    assert made().doubts == []
    assert made(load=0.5).doubts == ["other processes used 50 % of the CPUs (tolerance 10 %)"]
    assert made(halves=0.2).doubts == [
        "the halves of the rounds differ by 20 % (tolerance 5 %)",
    ]
    assert len(made(load=0.5, halves=0.2).doubts) == 2


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(seconds=40), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=5, minutes=59), "5 hours ago"),
        (timedelta(days=3, hours=2), "3 days ago"),
    ],
)
def test_a_timing_names_its_age_its_load_and_its_spread(passed, words):
    now = datetime(2026, 1, 1, tzinfo=timezone.utc) + passed
    expected = f"timed {words}, load 0.10; spread 2 %, halves 1 % apart"
    assert made(load=0.1).describe(now) == expected


def fake_machine(monkeypatch, busy, own, wall, cpus=(0, 1)):
    """Let clocks advance once: seconds of each CPU, of this process, and of the wall."""
    moments = iter([(0.0, 0.0, 0.0), (busy, own, wall)])
    now = {}

    def cpu_times(percpu):
        assert percpu
        now["busy"], now["own"], now["wall"] = next(moments)
        every = now["busy"] if isinstance(now["busy"], tuple) else (now["busy"],) * 2
        return [SimpleNamespace(user=seconds, system=0.0, idle=99.0) for seconds in every]

    monkeypatch.setattr(module, "_usable_cpus", lambda: frozenset(cpus))
    monkeypatch.setattr(module.psutil, "cpu_times", cpu_times)
    monkeypatch.setattr(module.psutil, "getloadavg", lambda: (1.5, 0.0, 0.0))
    monkeypatch.setattr(module.time, "process_time", lambda: now["own"])
    monkeypatch.setattr(module.time, "perf_counter", lambda: now["wall"])


@pytest.mark.parametrize(
    ("busy", "own", "wall", "cpus", "load"),
    [
        ((1.0, 1.0), 2.0, 1.0, (0, 1), 0.0),  # all of it is this process
        ((1.0, 1.0), 1.0, 1.0, (0, 1), 0.5),  # a busy loop beside one thread
        ((4.0, 1.0), 1.0, 4.0, (1,), 0.0),  # the CPU that is busy is none of ours
        ((0.98, 0.98), 2.0, 1.0, (0, 1), 0.0),  # coarse clocks give no negative load
        ((0.0, 0.0), 0.5, 1.0, (0, 1), 0.5),  # clocks that hide it: by the load average
    ],
)
def test_load_is_the_share_of_our_cpus_that_others_use(monkeypatch, busy, own, wall, cpus, load):
    fake_machine(monkeypatch, busy, own, wall, cpus)
    monkeypatch.setattr(module, "SECONDS_TO_WATCH", 0.0)
    assert LoadMeter().read() == pytest.approx(load)


def test_a_real_meter_reads_a_share():
    assert 0 <= LoadMeter().read() <= 1


def test_a_good_timing_is_made_once(loads, waits, caplog):
    found, timing = time_with_care(lambda: ("found", {"plain": QUIET}), "latencies")
    assert (found, timing.load, timing.halves, timing.rounds) == ("found", 0.0, 0.0, 4)
    assert not waits
    assert not caplog.records


def test_a_timing_on_a_busy_machine_is_made_again_and_says_so(loads, waits, caplog):
    loads += [0.5]
    _, timing = time_with_care(lambda: (None, {"plain": QUIET}), "latencies of tiny")
    assert not timing.doubts
    assert waits == [module.SECONDS_BEFORE_AGAIN]
    assert caplog.messages == [
        "latencies of tiny: other processes used 50 % of the CPUs (tolerance 10 %); "
        "timed again in 5 s"
    ]


def test_the_least_repeatable_network_counts_and_two_timings_are_enough(loads, waits):
    calls = []

    def measure():
        calls.append(0)
        return None, {"plain": QUIET, "all": SLOWER}

    _, timing = time_with_care(measure, "latencies")
    assert len(calls) == 2
    assert timing.halves == pytest.approx(0.4)
    assert timing.doubts
