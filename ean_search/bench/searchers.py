"""Searchers against each other on synthetic landscapes, where the optimum is known.

Regret is what the placement with the best measured reward lacks, without noise, to the optimum, in
standard deviations of the reward over all placements. It is counted by distinct evaluations: what
repeats is free. Every searcher sees the same landscapes, one a seed, so that tests are paired.
Nothing is said here of trained networks; draws nothing (`curves.py` does).
"""

import itertools
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

from ean_search.bench.landscapes import POINT, Landscape
from ean_search.loop import search
from ean_search.progress import Progress, silent
from ean_search.searchers import make_searcher
from ean_search.store import Store
from ean_search.trial import Trial

CHECKPOINTS = (50, 100, 150, 300, 600, 900)
GOALS = (0.01, 0.001)  # shares of the range between worst and best reward
RIVALS = ("random", "ean")
COHORT = 8  # of searchers that suggest none


class Unsaved(Store):
    """Trials that are not worth a file."""

    def __init__(self) -> None:
        self.path, self.trials = Path("memory"), []

    def append(self, trial: Trial) -> None:
        """Add a trial."""
        self.trials.append(trial)

    def sync(self) -> None:
        """Wait for nothing."""


def bench_searchers(
    names: Sequence[str],
    sites: Iterable[int] = (16, 54),
    seeds: int = 20,
    budget: int = 900,
    *,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Compare searchers: a row for each of them, number of sites and checkpoint."""
    return summarise(trace_searchers(names, sites, seeds, budget, progress=progress))


def trace_searchers(
    names: Sequence[str],
    sites: Iterable[int] = (16, 54),
    seeds: int = 20,
    budget: int = 900,
    *,
    triples: float = 0.0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Run searchers and return their regret, a row a checkpoint of each run."""
    runs = list(itertools.product(sites, range(seeds), names))
    landscapes: dict[tuple[int, int], Landscape] = {}
    rows = []
    for done, (count, seed, name) in enumerate(runs):
        progress("searchers", done, len(runs), f"{name}, {count} sites")
        landscape = landscapes.setdefault((count, seed), Landscape(count, seed, triples=triples))
        rows += _trace(name, landscape, budget)
    progress("searchers", len(runs), len(runs))
    return pd.DataFrame(rows)


def _trace(name: str, landscape: Landscape, budget: int) -> list[dict[str, object]]:
    """Run one searcher on one landscape."""
    store, start = Unsaved(), time.perf_counter()
    searcher = make_searcher(name, landscape.problem)
    cohort = getattr(searcher, "cohort", COHORT)
    search(
        landscape.problem, searcher, landscape, store, budget=budget, cohort=cohort,
        seed=landscape.seed,
    )  # fmt: skip
    spent = (time.perf_counter() - start) / len(store.trials)
    regrets = regret(store.trials, landscape)
    low, high = landscape.ends
    span = (high - low) / POINT
    run = {"sites": landscape.sites, "searcher": name, "seed": landscape.seed}
    run |= {f"until_{goal:.1%}": _first(regrets <= goal * span) for goal in GOALS}
    run["ms_per_evaluation"] = 1e3 * spent
    points = [point for point in CHECKPOINTS if point <= budget]
    # A searcher that ends early keeps what it found.
    return [
        run | {"evaluations": n, "regret": float(regrets[min(n, len(regrets)) - 1])} for n in points
    ]


def regret(trials: Sequence[Trial], landscape: Landscape) -> np.ndarray:
    """Return the regret after each trial, choosing by what was measured."""
    rewards = np.array([trial.reward for trial in trials])
    truth = np.array([landscape.reward(trial.placement) for trial in trials])
    led = rewards >= np.maximum.accumulate(rewards)
    leaders = np.maximum.accumulate(np.where(led, np.arange(len(trials)), 0))
    return (landscape.ends[1] - truth[leaders]) / POINT


def _first(reached: np.ndarray) -> float:
    return float(reached.argmax() + 1) if reached.any() else float("nan")


def summarise(traces: pd.DataFrame) -> pd.DataFrame:
    """Sum runs up: a row for each searcher, number of sites and checkpoint."""
    rows = []
    for (sites, name, evaluations), runs in traces.groupby(["sites", "searcher", "evaluations"]):
        values = runs.regret
        row = {"sites": sites, "searcher": name, "evaluations": evaluations, "seeds": len(runs)}
        row |= {"mean": values.mean(), "median": values.median()}
        row |= {"lower": values.quantile(0.25), "upper": values.quantile(0.75)}
        # Who never got there took longer than all who did.
        for column in (column for column in runs if column.startswith("until")):
            row[column] = runs[column].fillna(np.inf).median()
        row |= {f"p_{rival}": _compare(traces, runs, rival) for rival in RIVALS}
        rows.append(row | {"ms_per_evaluation": runs.ms_per_evaluation.median()})
    return pd.DataFrame(rows)


def _compare(traces: pd.DataFrame, runs: pd.DataFrame, rival: str) -> float:
    """Return the two-sided p-value of regrets against a rival's on the same landscapes."""
    same = ["sites", "evaluations", "seed"]
    both = runs.merge(traces[traces.searcher == rival], on=same, suffixes=("", "_rival"))
    gaps = both.regret - both.regret_rival
    return float(wilcoxon(gaps).pvalue) if gaps.any() else float("nan")
