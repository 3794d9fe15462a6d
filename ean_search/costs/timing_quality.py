"""How far timings can be trusted: their spread, their repeatability, and who else used the CPUs.

Timing on a busy machine gives figures that look like any others. So timings carry what they were
made under, doubtful ones are made again once, and what is still doubtful says so.
"""

import logging
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TypeVar

import psutil

T = TypeVar("T")
HALVES_TOLERANCE = 0.05  # of the difference between the two halves of the rounds
LOAD_TOLERANCE = 0.10  # of the share of the CPUs that other processes use
SECONDS_BEFORE_AGAIN = 5.0  # to wait after a doubtful timing
SECONDS_TO_WATCH = 0.5  # at least, as the CPUs' own clocks are coarse
MEDIANS_OF_IQR = 0.93  # the standard error of a normal median times sqrt(rounds), in its IQR

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Times:
    """The times of one call in milliseconds, in the order of the rounds."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of all rounds."""
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """The interquartile range of the rounds, as a share of their median."""
        if len(self.rounds) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.rounds, n=4, method="inclusive")
        return (high - low) / self.median

    @property
    def halves(self) -> float:
        """How much the medians of the first and of the second half differ, as a share."""
        middle = len(self.rounds) // 2
        if not middle:
            return 0.0
        first, second = (
            statistics.median(r) for r in (self.rounds[:middle], self.rounds[-middle:])
        )
        return abs(first - second) / self.median


@dataclass(frozen=True)
class Timing:
    """When, and how well, networks were timed.

    Attributes:
        date: When, in UTC and ISO 8601.
        rounds: How often each network was timed.
        spread: The largest spread of a network's times; see `Times`.
        halves: The largest difference between the halves of a network's times.
        load: The share of the CPUs that other processes used meanwhile; 0.5 is half of them.
    """

    date: str
    rounds: int
    spread: float
    halves: float
    load: float

    @property
    def doubts(self) -> list[str]:
        """Why the times may be wrong, in words with figures; empty if nothing speaks against it."""
        found = []
        if self.load > LOAD_TOLERANCE:
            found.append(
                f"other processes used {_percent(self.load)} of the CPUs "
                f"(tolerance {_percent(LOAD_TOLERANCE)})"
            )
        if self.halves > HALVES_TOLERANCE:
            found.append(
                f"the halves of the rounds differ by {_percent(self.halves)} "
                f"(tolerance {_percent(HALVES_TOLERANCE)})"
            )
        return found

    @property
    def ratio_error(self) -> float:
        """The standard error of a ratio of two medians, as a share, as the spread explains it."""
        return float(MEDIANS_OF_IQR * self.spread * (2 / self.rounds) ** 0.5)

    def age(self, now: datetime | None = None) -> str:
        """Return how long ago it was, in words such as `3 days ago`."""
        seconds = ((now or _now()) - datetime.fromisoformat(self.date)).total_seconds()
        for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
            count = int(seconds // length)
            if count > 0:
                return f"{count} {unit}{'s' if count > 1 else ''} ago"
        return "just now"

    def describe(self, now: datetime | None = None) -> str:
        """Return age, load and spread in words."""
        return (
            f"timed {self.age(now)}, load {self.load:.2f}; "
            f"spread {_percent(self.spread)}, halves {_percent(self.halves)} apart"
        )


class LoadMeter:
    """Measures how much others use this process's CPUs, from the moment that it is made."""

    def __init__(self) -> None:
        self.cpus = _usable_cpus()
        self.start = self._clocks()

    def read(self) -> float:
        """Return the share of the CPUs that other processes have used, from 0 to 1."""
        time.sleep(max(0.0, SECONDS_TO_WATCH - (time.perf_counter() - self.start[2])))
        busy, own, wall = (b - a for a, b in zip(self.start, self._clocks(), strict=True))
        # Some systems hide how busy their CPUs are; their load average is a poorer answer.
        others = (busy - own) / wall if busy > 0 else psutil.getloadavg()[0] - own / wall
        return min(1.0, max(0.0, others / len(self.cpus)))

    def _clocks(self) -> tuple[float, float, float]:
        """Return the seconds that the CPUs were busy, that this process used, and that passed."""
        times = psutil.cpu_times(percpu=True)
        busy = sum(_busy_seconds(t) for number, t in enumerate(times) if number in self.cpus)
        return busy, time.process_time(), time.perf_counter()


def _usable_cpus() -> frozenset[int]:
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _busy_seconds(times: object) -> float:
    """Return the seconds for which a CPU worked, for this system or for another that it holds."""
    names = ("user", "nice", "system", "irq", "softirq", "steal")
    return float(sum(getattr(times, name, 0.0) for name in names))


def time_with_care(
    measure: Callable[[], tuple[T, Mapping[str, Times]]], what: str
) -> tuple[T, Timing]:
    """Time something, and once more, after a moment, if the first timing is doubtful.

    Args:
        measure: Times it; returns what it found and the times of the networks.
        what: What is timed, in words.

    Returns:
        What was found, and how well; the caller decides about what is doubtful twice.
    """
    found, timing = _time(measure)
    if timing.doubts:
        log.warning(
            "%s: %s; timed again in %g s", what, "; ".join(timing.doubts), SECONDS_BEFORE_AGAIN
        )
        time.sleep(SECONDS_BEFORE_AGAIN)
        found, timing = _time(measure)
    return found, timing


def _time(measure: Callable[[], tuple[T, Mapping[str, Times]]]) -> tuple[T, Timing]:
    meter = LoadMeter()
    found, times = measure()
    load = meter.read()
    timing = Timing(
        date=_now().isoformat(timespec="seconds"),
        rounds=min(len(t.rounds) for t in times.values()),
        spread=max(t.spread for t in times.values()),
        halves=max(t.halves for t in times.values()),
        load=load,
    )
    return found, timing


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _now() -> datetime:
    return datetime.now(timezone.utc)
