"""Searchers against each other on tasks whose optimum is known: landscapes and tables.

Every searcher meets the same tasks, one a seed, so that tests are paired. Tasks are independent
and are shared out to processes. On landscapes nothing is said of trained networks.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

from ean_search.bench.simulate import run_searcher
from ean_search.bench.tasks import Task
from ean_search.search.searchers.registry import DEFAULT_SEARCHER
from ean_search.search.tabular.placement_bench import PlacementBench
from ean_search.utils.progress import Progress, silent

RIVALS = tuple(dict.fromkeys(("random", "ean", DEFAULT_SEARCHER)))
SAME = ["task", "workers", "evaluations"]
NEVER = 1e9  # evaluations: only its rank among differences counts
EARLY = 50  # evaluations after which a first look is taken


def bench_searchers(
    names: Sequence[str],
    tasks: Sequence[Task],
    *,
    workers: Sequence[int] = (1,),
    budget: int = 900,
    processes: int = 0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Compare searchers: a row for each of them, task, number of workers and checkpoint.

    The tasks are shared out to processes; with 0 all is done in this one.
    """
    return summarise(
        trace_searchers(
            names, tasks, workers=workers, budget=budget, processes=processes, progress=progress
        )
    )


def trace_searchers(
    names: Sequence[str],
    tasks: Sequence[Task],
    *,
    workers: Sequence[int] = (1,),
    budget: int = 900,
    processes: int = 0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Run all searchers on all tasks and return a row a checkpoint of each run."""
    work, rows = partial(_meet, names, workers, budget), []
    for done, part in enumerate(_share_out(work, tasks, processes)):
        rows += part
        progress("searchers", done + 1, len(tasks), tasks[done].name)
    return pd.DataFrame(rows)


def _meet(
    names: Sequence[str], workers: Sequence[int], budget: int, task: Task
) -> list[dict[str, object]]:
    """Let searchers meet a task: an exhaustive one only where the budget is for everything.

    Several workers are tried on tables whose optimum can be found, and nowhere else.
    """
    able = [name for name in names if name != "all" or task.problem.space.size <= budget]
    counts = workers if isinstance(task, PlacementBench) and task.sees == "mean" else (1,)
    return [
        row for name in able for count in counts for row in run_searcher(name, task, count, budget)
    ]


def _share_out(work: Callable[[Task], Any], tasks: Sequence[Task], processes: int) -> Iterator[Any]:
    """Yield what work makes of each task, in order."""
    if not processes:
        yield from map(work, tasks)
        return
    context = get_context("spawn")  # a fork of a process with threads may hang
    with ProcessPoolExecutor(processes, context, _use_one_thread) as pool:
        yield from pool.map(work, tasks)


def _use_one_thread() -> None:
    """Leave the other cores to the other processes; all arrays here are small."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)


def summarise(traces: pd.DataFrame) -> pd.DataFrame:
    """Sum runs up: a row for each searcher, task, number of workers and checkpoint."""
    rows = []
    for (task, workers, evaluations, name), runs in traces.groupby([*SAME, "searcher"], sort=False):
        regret = runs.regret
        row = {"task": task, "searcher": name, "workers": workers, "evaluations": evaluations}
        row |= {"rounds": runs.rounds.median(), "seeds": len(runs)}
        row |= {"mean": regret.mean(), "median": regret.median()}
        row |= {"lower": regret.quantile(0.25), "upper": regret.quantile(0.75)}
        row["hypervolume"] = runs.hypervolume.mean()
        # Who never got there took longer than all who did.
        for column in (column for column in runs if "until" in column):
            row[column] = runs[column].fillna(np.inf).median()
        for rival in RIVALS:
            rivals = traces[traces.searcher == rival]
            both = runs.merge(rivals, on=[*SAME, "seed"], suffixes=("", "_rival"))
            row[f"p_{rival}"] = _compare(both, "regret")
            row[f"p_{rival}_until_1.0%"] = _compare(both, "until_1.0%")
        rows.append(row | {"ms_per_evaluation": runs.ms_per_evaluation.median()})
    return pd.DataFrame(rows)


def _compare(both: pd.DataFrame, column: str) -> float:
    """Return the two-sided p-value of a searcher against a rival on the same tasks."""
    gaps = both[column].fillna(NEVER) - both[f"{column}_rival"].fillna(NEVER)
    return float(wilcoxon(gaps).pvalue) if gaps.any() else float("nan")


def digest(frame: pd.DataFrame) -> pd.DataFrame:
    """Pick the figures to look at first, a row for each task, number of workers and searcher."""
    keys = ["task", "workers", "searcher"]
    last = frame.groupby(keys, sort=False).last().reset_index()
    early = frame[frame.evaluations == EARLY].set_index(keys)
    early = early[["mean", "hypervolume"]].add_suffix(f" at {EARLY}")
    until = [column for column in frame if "until" in column and not column.startswith("p_")]
    return last[[*keys, "evaluations", "mean", *until]].join(early, on=keys)
