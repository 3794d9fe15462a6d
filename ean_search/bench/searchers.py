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

from ean_search.bench.contest import contend
from ean_search.bench.tasks import Task
from ean_search.progress import Progress, silent
from ean_search.searchers import DEFAULT

RIVALS = tuple(dict.fromkeys(("random", "ean", DEFAULT)))
SAME = ["task", "workers", "evaluations"]


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
    """Let all searchers meet a task; an exhaustive one only where the budget is for everything."""
    able = [name for name in names if name != "all" or task.problem.space.size <= budget]
    return [row for name in able for count in workers for row in contend(name, task, count, budget)]


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
        row |= {f"p_{rival}": _compare(traces, runs, rival) for rival in RIVALS}
        rows.append(row | {"ms_per_evaluation": runs.ms_per_evaluation.median()})
    return pd.DataFrame(rows)


def _compare(traces: pd.DataFrame, runs: pd.DataFrame, rival: str) -> float:
    """Return the two-sided p-value of regrets against a rival's on the same tasks."""
    rivals = traces[traces.searcher == rival]
    both = runs.merge(rivals, on=[*SAME, "seed"], suffixes=("", "_rival"))
    gaps = both.regret - both.regret_rival
    return float(wilcoxon(gaps).pvalue) if gaps.any() else float("nan")
