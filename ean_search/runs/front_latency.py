"""The latencies of what a search found, measured on pruned networks, and what they say.

Trials are priced by the cost table. If the table was timed badly, a search keeps its limits on
latency in name only; so the front is measured once more, and the differences are said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from ean_search.analysis.run_folder import Run
from ean_search.core import pareto
from ean_search.core.live_names import given_placement
from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.costs.network_latency import time_networks
from ean_search.costs.timing_quality import Times, Timing, time_with_care
from ean_search.networks.builder import prune
from ean_search.runs.final_evaluator import FinalEvaluator
from ean_search.utils.progress import Progress

TABLE_TOLERANCE = 0.03  # of a sum of attachments, as a model of a network's latency
STANDARD_ERRORS = 2  # that the spread explains


def measure_front(
    run: Run, problem: Problem, evaluator: FinalEvaluator, progress: Progress
) -> "FrontLatency":
    """Time the networks of the front, and of the placements that may be recommended."""
    best = [run.find(name) for name in (given_placement(run.space), "best")]
    verified = run.read_verified() if run.verified_file.is_file() else []
    placements = [*best, *map(run.find, run.front().placement)]
    placements += [trial.placement for trial in verified if trial.status == "done"]
    networks = {str(p): prune(evaluator.network, p) for p in dict.fromkeys(placements)}
    progress("latency of the front", 0, 1)

    def measure() -> tuple[Mapping[str, float], Mapping[str, Times]]:
        times = time_networks(
            networks, run.read_costs(), evaluator.device, example=evaluator.example
        )
        return {name: times_of_one.median for name, times_of_one in times.items()}, times

    milliseconds, timing = time_with_care(measure, "latencies of the front")
    progress("latency of the front", 1, 1)
    return FrontLatency(run, problem, milliseconds, timing)


@dataclass(frozen=True)
class FrontLatency:
    """Measured latencies of a front, beside what the cost table says.

    Attributes:
        run: The run.
        problem: What was searched for, with its limits.
        milliseconds: The measured latencies by placement, `none` among them.
        timing: How well they were measured.
    """

    run: Run
    problem: Problem
    milliseconds: Mapping[str, float]
    timing: Timing

    def front(self) -> pd.DataFrame:
        """Return the front with columns of measured latencies and of whether they keep limits."""
        front = self.run.front()
        front["latency_measured_ms"] = [self.milliseconds[name] for name in front.placement]
        front["latency_measured_x"] = [self.ratio(name) for name in front.placement]
        front["measured_keeps_limits"] = [self.keeps_limits(name) for name in front.placement]
        table: pd.DataFrame = front.drop(columns=[f"site{i}" for i in range(self.run.space.sites)])
        return table

    def ratio(self, name: str) -> float:
        """Return a measured latency as a multiple of what limits with an x refer to."""
        return self.milliseconds[name] / self._given_milliseconds

    @property
    def _given_milliseconds(self) -> float:
        return self.milliseconds[str(self.run.find(given_placement(self.run.space)))]

    def keeps_limits(self, name: str) -> bool:
        """Tell whether a placement keeps the limits on latency by its measured latency."""
        cost = self.problem.price(self.run.find(name))
        measured = replace(cost, latency_ms=self.milliseconds[name])
        plain = replace(self.problem.given, latency_ms=self._given_milliseconds)
        limits = self.problem.objective.limits
        return all(limit.holds(measured, plain) for limit in limits if limit.axis == "latency_ms")

    def recommended(self) -> list[str]:
        """Name what is worth retraining: placements that keep the limits by measured latencies.

        A name such as `best` stands where its placement keeps the limits; where it does not, the
        best placement with attention that does is written out.
        """
        rewards = {t.placement: t.reward for t in self.run.read_trials() if t.status == "done"}
        measured = [self.run.find(name) for name in self.milliseconds]
        by_reward = sorted(measured, key=lambda p: -rewards.get(p, -float("inf")))
        if self.run.verified_file.is_file():
            ranked = [t.placement for t in self.run.read_verified() if t.status == "done"]
            first = self._choose("verified", [*ranked, *by_reward])
        else:
            first = self._choose("best", by_reward)
        return list(dict.fromkeys(filter(None, (first, self._choose("knee", self._knees())))))

    def _choose(self, name: str, others: Sequence[Placement]) -> str | None:
        """Return the name if its placement keeps the limits, or the first other that does."""
        if self.keeps_limits(str(self.run.find(name))):
            return name
        kept = (str(p) for p in others if p.attached and self.keeps_limits(str(p)))
        return next(kept, None)

    def _knees(self) -> list[Placement]:
        front = self.front()
        kept = front[front.measured_keeps_limits].reset_index(drop=True)
        if kept.empty:
            return []
        return [self.run.find(pareto.knee(kept).placement)]

    def describe(self) -> dict[str, Any]:
        """Return the entry of the summary: how well was timed, and what was found in words."""
        table = self.run.read_costs().timing
        found = [self._doubts("the cost table", table), self._doubts("the front", self.timing)]
        return {
            "table_timing": table and asdict(table),
            "measured_timing": asdict(self.timing),
            "largest_difference": self._largest_difference()[1],
            "explained_difference": self._explained(),
            "findings": list(filter(None, [*found, self._disagreement(), self._broken_limits()])),
        }

    @staticmethod
    def _doubts(what: str, timing: Timing | None) -> str:
        doubts = timing.doubts if timing else []
        return f"The latencies of {what} are doubtful: {'; '.join(doubts)}." if doubts else ""

    def _table_ratio(self, name: str) -> float:
        latency = self.problem.price(self.run.find(name)).latency_ms
        return latency / self.problem.given.latency_ms

    def _largest_difference(self) -> tuple[str, float]:
        """Return whose measured ratio differs most from the table's, and by what share."""
        differences = {
            name: self.ratio(name) / self._table_ratio(name) - 1 for name in self.milliseconds
        }
        return max(differences.items(), key=lambda item: abs(item[1]))

    def _explained(self) -> float:
        """Return the difference that the spread of both timings explains."""
        table = self.run.read_costs().timing or self.timing
        errors = table.ratio_error**2 + self.timing.ratio_error**2
        return float(TABLE_TOLERANCE + STANDARD_ERRORS * errors**0.5)

    def _disagreement(self) -> str:
        name, difference = self._largest_difference()
        if abs(difference) <= self._explained():
            return ""
        return (
            f"The cost table says {self._table_ratio(name):.3f}x for the latency of {name}, its "
            f"pruned network measures {self.ratio(name):.3f}x: {100 * difference:+.0f} %, where "
            f"the spread of the timings explains {100 * self._explained():.0f} %. Time the space "
            "again on an idle machine (ean-search cost --retime, with the same --classes and "
            "--batch-size), and search again."
        )

    def _broken_limits(self) -> str:
        front = self.run.front().placement
        broken = [name for name in front if not self.keeps_limits(name)]
        if not broken:
            return ""
        limits = self.run.fields["search"]["limits"]
        found = (
            f"{len(broken)} of {len(front)} placements of the front (marked !) break a limit on "
            f"latency by what their pruned networks measure ({limits})"
        )
        nothing = "" if self.recommended() else "; no measured placement with attention keeps it"
        return f"{found}{nothing}."
