"""One searcher on one task: what it lacks after so many evaluations, and how long they took.

Regret is what the placement with the best measured reward lacks, in truth, to the optimum, in
standard deviations of the reward over all placements. It is counted by distinct evaluations: what
repeats is free.

Time is simulated. An evaluation takes one round of a worker and a proposal none, so a step with c
new placements takes ceil(c / workers) rounds. A searcher is asked for as many placements as there
are workers, or for its own cohort if that is larger: with more workers it learns more rarely, and
what that costs in evaluations and gains in time is what the rounds say.

On a table, who has seen the best reward there is to see will never prefer another placement, so a
run ends there. Only runs of one worker who sees the mean go on: the hypervolume is taken from them.
"""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import groupby

import numpy as np

from ean_search.bench.tasks import Task
from ean_search.core.pareto import front_mask, hypervolume
from ean_search.core.space import Placement
from ean_search.core.trial import Trial
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.registry import make_searcher
from ean_search.search.tabular.placement_bench import PlacementBench
from ean_search.search.trial_log import InMemoryTrialLog

CHECKPOINTS = (10, 20, 50, 100, 150, 300, 600, 900)
GOALS = (0.01, 0.001)  # shares of the range between worst and best reward
SLOW = {"optuna-tpe": 300}  # evaluations of those whose proposals take longer and longer


class BestFoundError(Exception):
    """Nothing that comes after can change the regret."""


class EnoughLog(InMemoryTrialLog):
    """Ends a search as soon as a reward is enough."""

    def __init__(self, enough: float) -> None:
        super().__init__()
        self.enough = enough

    def append(self, trial: Trial) -> None:
        """Add a trial, and stop everything when its reward is enough."""
        super().append(trial)
        if trial.reward >= self.enough:
            raise BestFoundError


def run_searcher(name: str, task: Task, workers: int, budget: int) -> list[dict[str, object]]:
    """Run one searcher on one task; return a row a checkpoint.

    Options may follow the searcher's name: `optuna-tpe multi=true`.
    """
    budget = min(budget, SLOW.get(name.split()[0], budget), task.problem.space.size)
    whole = _is_run_whole(task, workers)
    start = time.perf_counter()
    trials = _run(name, task, workers, budget, math.inf if whole else task.best_observable_reward)
    spent = (time.perf_counter() - start) / len(trials)
    regrets, clock = regret(trials, task), rounds(trials, workers)
    run = {"task": task.name, "searcher": name, "workers": workers, "seed": task.seed}
    run |= _arrivals(regrets, clock, task) | {"ms_per_evaluation": 1e3 * spent}
    rows = []
    for n in checkpoints(budget):
        last = min(n, len(regrets)) - 1  # a searcher that ends early keeps what it found
        row = {"evaluations": n, "rounds": clock[last], "regret": regrets[last]}
        seen = [trial.placement for trial in trials[:n]]
        rows.append(run | row | {"hypervolume": coverage(task, seen) if whole else math.nan})
    return rows


def _run(name: str, task: Task, workers: int, budget: int, enough: float) -> list[Trial]:
    """Let one searcher search for as long as it takes."""
    bare, *options = name.split()
    given = dict(text.partition("=")[::2] for text in options)
    searcher, store = make_searcher(bare, task.problem, **given), EnoughLog(enough)
    cohort = max(workers, searcher.cohort)
    with suppress(BestFoundError):
        settings = SearchSettings(budget, cohort, seed=task.seed)
        run_search(task.problem, searcher, task, store, settings)
    return store.trials


def _arrivals(regrets: np.ndarray, clock: np.ndarray, task: Task) -> dict[str, float]:
    """Say when each goal is reached first, in evaluations and in rounds; nan if it never is."""
    low, high = task.ends
    arrivals = {}
    for goal in GOALS:
        reached = np.flatnonzero(regrets <= goal * (high - low) / task.spread)
        first = int(reached[0]) if len(reached) else None
        arrivals[f"until_{goal:.1%}"] = math.nan if first is None else first + 1
        arrivals[f"rounds_until_{goal:.1%}"] = math.nan if first is None else clock[first]
    return arrivals


def _is_run_whole(task: Task, workers: int) -> bool:
    """Say whether to go on when the best was seen on a table: only the hypervolume needs that."""
    return not isinstance(task, PlacementBench) or (task.sees == "mean" and workers == 1)


def checkpoints(budget: int) -> list[int]:
    """List the counts of evaluations at which searchers are compared."""
    return sorted({budget, *(n for n in CHECKPOINTS if n < budget)})


def regret(trials: Sequence[Trial], task: Task) -> np.ndarray:
    """Return the regret after each trial, choosing by what was measured."""
    rewards = np.array([trial.reward for trial in trials])
    truth = np.array([task.reward(trial.placement) for trial in trials])
    led = rewards >= np.maximum.accumulate(rewards)
    leaders = np.maximum.accumulate(np.where(led, np.arange(len(trials)), 0))
    return (task.ends[1] - truth[leaders]) / task.spread


def rounds(trials: Sequence[Trial], workers: int) -> np.ndarray:
    """Return the round in which each trial is evaluated: steps wait for each other."""
    times: list[int] = []
    for _, step in groupby(trials, key=lambda trial: trial.step):
        begun = times[-1] if times else 0
        times += [begun + 1 + place // workers for place, _ in enumerate(step)]
    return np.array(times)


def coverage(task: Task, placements: Sequence[Placement]) -> float:
    """Return what share of the hypervolume below a table's true front placements reach.

    Accuracy counts against the cost the objective names first, or latency; the reference point is
    the table's worst of both. Landscapes have no known front.
    """
    if not isinstance(task, PlacementBench):
        return math.nan
    reference, whole = _whole(task)
    return _volume(_points(task, placements), reference) / whole


@cache
def _whole(table: PlacementBench) -> tuple[np.ndarray, float]:
    points = _points(table, list(table.costs))
    reference = points.max(axis=0)
    return reference, _volume(points, reference)


def _points(table: PlacementBench, placements: Sequence[Placement]) -> np.ndarray:
    """Give cost and negative accuracy, both to be small: (placements, 2)."""
    weights = table.problem.objective.weights
    axis = weights[0][0] if weights else "latency_ms"
    return np.array([(table.costs[p].on(axis), -table.truth(p)) for p in placements])


def _volume(points: np.ndarray, reference: np.ndarray) -> float:
    return hypervolume(points[front_mask(points)], reference)
