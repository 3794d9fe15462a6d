"""Pick a placement for another budget from what a run has evaluated; nothing is evaluated anew."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ean_search.analysis.run_folder import Run, load_run
from ean_search.analysis.significance import standard_error
from ean_search.core.live_names import given_placement, is_live
from ean_search.core.objective import Limit, Objective, Problem
from ean_search.core.score import ACCURACY
from ean_search.core.trial import Trial
from ean_search.utils.errors import UserError


@dataclass(frozen=True)
class Pick:
    """A placement that was picked, and how far it can be trusted.

    Attributes:
        placement: Its text.
        accuracy: In the search.
        reward: By the run's objective, without its limits.
        costs: By field of `Cost`.
        latency_x: Its latency as a multiple of the plain backbone's, or of the network that a user
            gave; see `given_placement`.
        drop: The accuracy of attention at every site (`all`) minus its own, in points.
        standard_error: Of the accuracy, in points; None before the run has ended.
        kept: The number of evaluated placements within the limits and the drop.
        evaluated: The number of placements that were evaluated to the end.
        edges: In which ways the answer is at the edge of what was searched; empty if it is not.
        next: Commands that a user may want after it.
        column: The name of the score that `accuracy` is the worth of, with its unit.
        multiple_of: What `latency_x` is a multiple of: `none`, or the network as it was `given`.
        value: The value of the score.
    """

    placement: str
    accuracy: float
    reward: float
    costs: dict[str, float]
    latency_x: float
    drop: float
    standard_error: float | None
    kept: int
    evaluated: int
    edges: tuple[str, ...]
    next: tuple[str, ...]
    column: str = ACCURACY.column
    multiple_of: str = "none"
    value: str = ""


def pick_placement(
    run: Run | str | Path, limits: str = "", *, max_drop: float | None = None
) -> Pick:
    """Pick the best evaluated placement within a budget, as the run would have done.

    Args:
        run: The run, or its folder; its search may be going on.
        limits: Limits in place of the run's own, such as "latency < 1.05x". The answer has the
            highest reward within them, like the `best` of a run.
        max_drop: How many points of accuracy may be lost, compared with attention at every site.
            The answer is then the cheapest on the run's cost axis that loses no more.

    Raises:
        UserError: If neither is given, or no evaluated placement keeps both.

    Example:
        >>> pick_placement("results/example", "latency < 1.05x").placement
    """
    run = load_run(run)
    evaluations = _Evaluations.read(run, limits)
    if not limits and max_drop is None:
        raise UserError("expected limits such as 'latency < 1.05x', a largest drop, or both")
    if max_drop is not None and max_drop < 0:
        raise UserError(f"expected a largest drop of at least 0 points, got {max_drop:g}")
    kept = evaluations.within(max_drop)
    axis = None if max_drop is None else run.cost_axis
    trial = evaluations.choose(kept, axis)
    edges = [*evaluations.edges(trial, axis), *_unsearched(run, kept)]
    return Pick(
        placement=str(trial.placement),
        accuracy=evaluations.accuracy(trial),
        column=run.score.column,
        multiple_of="none" if given_placement(run.space) == "none" else "given",
        value=run.score.describe_number(evaluations.accuracy(trial)),
        reward=evaluations.reward(trial),
        costs=asdict(trial.cost),
        latency_x=trial.cost.latency_ms / evaluations.problem.given.latency_ms,
        drop=evaluations.drop(trial),
        standard_error=_error_of(run, evaluations.accuracy(trial)),
        kept=len(kept),
        evaluated=len(evaluations.trials),
        edges=tuple(edges),
        next=()
        if is_live(run.space.backbone)
        else (f"ean-search retrain {run.path} --placement {trial.placement}",),
    )


@dataclass(frozen=True)
class _Evaluations:
    """The trials of a run that were evaluated to the end, under new limits."""

    problem: Problem
    trials: list[Trial]
    accuracy_of_all: float

    @classmethod
    def read(cls, run: Run, limits: str) -> "_Evaluations":
        """Read them; the costs are those that the trials were priced by."""
        found = [t for t in run.read_trials() if t.status in ("done", "infeasible")]
        trials = {t.placement: t for t in found if t.accuracy is not None}
        for name in ("none", "all"):
            if run.space.named[name] not in trials:
                raise UserError(f"{run.path} has not evaluated {name!r} yet, so nothing to pick")
        objective = Objective.parse(run.fields["search"]["objective"], limits, run.score)
        problem = Problem(run.space, objective, lambda placement: trials[placement].cost)
        full = trials[run.space.named["all"]]
        return cls(problem, list(trials.values()), cls.accuracy(full))

    @staticmethod
    def accuracy(trial: Trial) -> float:
        """Return the accuracy, which all of these trials have."""
        assert trial.accuracy is not None
        return trial.accuracy

    def reward(self, trial: Trial) -> float:
        """Return the reward, also of a trial that broke the limits of its search."""
        return self.problem.reward(self.accuracy(trial), trial.cost)

    def drop(self, trial: Trial) -> float:
        """Return the points of accuracy that are lost compared with `all`."""
        return 100 * (self.accuracy_of_all - self.accuracy(trial))

    def within(self, max_drop: float | None) -> list[Trial]:
        """List the trials that keep the limits and the drop; there is at least one."""
        kept = [t for t in self.trials if self.problem.feasible(t.cost)]
        if not kept:
            raise UserError(f"no evaluated placement keeps {self._limits_and_ranges()}")
        if max_drop is None:
            return kept
        good = [t for t in kept if self.drop(t) <= max_drop + 1e-9]  # 1e-9: of floating point
        if not good:
            raise UserError(
                f"no evaluated placement within the limits loses at most {max_drop:g} points: the "
                f"smallest loss is {min(map(self.drop, kept)):.2f}"
            )
        return good

    def choose(self, kept: Sequence[Trial], axis: str | None) -> Trial:
        """Return the trial of the highest reward, or the cheapest one on an axis."""
        if axis is None:
            return max(kept, key=self.reward)
        return min(kept, key=lambda trial: (trial.cost.on(axis), -self.reward(trial)))

    def edges(self, chosen: Trial, axis: str | None) -> list[str]:
        """Say where the chosen trial is the last one before a limit, or the cheapest of all."""
        found = [self._edge(limit, chosen) for limit in self.problem.objective.limits]
        cheaper = axis and any(t.cost.on(axis) < chosen.cost.on(axis) for t in self.trials)
        if axis and not cheaper:
            found.append(f"no placement that costs less on {axis} was evaluated")
        return [edge for edge in found if edge]

    def _edge(self, limit: Limit, chosen: Trial) -> str:
        plain = self.problem.given
        costs = [trial.cost for trial in self.trials]
        if all(limit.holds(cost, plain) for cost in costs):
            return f"{limit} excludes nothing that was evaluated: {self._range(limit.axis)}"
        own, bound = chosen.cost.on(limit.axis), limit.bound(plain)
        low, high = min(own, bound), max(own, bound)
        between = [c for c in costs if low < c.on(limit.axis) < high and limit.holds(c, plain)]
        if between or _is_last_count(limit, chosen):
            return ""
        return (
            f"no placement between its {limit.axis} ({own:.6g}) and the limit ({bound:.6g}) was "
            "evaluated"
        )

    def _range(self, axis: str) -> str:
        costs = [trial.cost.on(axis) for trial in self.trials]
        return f"{axis} from {min(costs):.6g} to {max(costs):.6g}"

    def _limits_and_ranges(self) -> str:
        limits = self.problem.objective.limits
        ranges = dict.fromkeys(self._range(limit.axis) for limit in limits)
        return f"{', '.join(map(str, limits))!r}: they have {', '.join(ranges)}"


def _is_last_count(limit: Limit, chosen: Trial) -> bool:
    """Tell whether a limit on sites leaves no whole number between it and the chosen count."""
    if limit.axis != "sites" or limit.relative:
        return False
    step = 1 if limit.sign in ("<", "<=") else -1
    beyond = replace(chosen.cost, sites=chosen.cost.sites + step)
    return not limit.holds(beyond, chosen.cost)


def _unsearched(run: Run, kept: Sequence[Trial]) -> list[str]:
    """Say where the search did not look: beyond its own limits, or not yet."""
    found, limits = [], run.fields["search"]["limits"]
    beyond = sum(trial.status == "infeasible" for trial in kept)
    if beyond:
        found.append(
            f"the search kept to its own limits {limits!r}: beyond them only named placements "
            f"were evaluated, {beyond} of those that are compared here"
        )
    if not run.summary_file.is_file():
        found.append("the search has not ended yet")
    return found


def _error_of(run: Run, accuracy: float) -> float | None:
    """Return the standard error in points of an accuracy of the search, if it is known."""
    if not run.summary_file.is_file():
        return None
    summary: dict[str, Any] = json.loads(run.summary_file.read_text())
    if run.score != ACCURACY:
        return None
    return 100 * standard_error(accuracy, summary["search_images"])
