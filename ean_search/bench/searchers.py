"""Searchers against each other on tasks whose optimum is known: landscapes and tables.

All searchers run on the same tasks, one task per seed, so that tests are paired. Tasks are
independent and can be shared out to processes. Landscapes say nothing about trained networks.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

from ean_search.bench.simulate import run_searcher
from ean_search.bench.tasks import Task
from ean_search.core.space import Space
from ean_search.search.searchers.registry import DEFAULT_SEARCHER, split_searcher
from ean_search.search.tabular.placement_bench import PlacementBench
from ean_search.utils.errors import UserError
from ean_search.utils.jsonl import append_row, read_rows
from ean_search.utils.progress import Progress, silent

T = TypeVar("T")
Row = dict[str, object]
REFERENCE_SEARCHERS = tuple(dict.fromkeys(("random", "ean", DEFAULT_SEARCHER)))
PAIRING_COLUMNS = ["task", "workers", "evaluations"]
UNREACHED_EVALUATIONS = 1e9  # for a goal never reached: only the rank of a difference counts
MAX_SITES = {"optuna-tpe": 54, "optuna-nsga2": 54, "ean": 54}  # of what is slow or far behind
EARLY_CHECKPOINT = 50  # evaluations after which the digest looks first


def trace_searchers(
    names: Sequence[str],
    tasks: Sequence[Task],
    *,
    workers: Sequence[int] = (1,),
    budget: int = 900,
    processes: int = 0,
    progress: Progress = silent,
    log: Path | None = None,
) -> pd.DataFrame:
    """Run all searchers on all tasks.

    Args:
        names: Names of searchers; options may follow a name, as in `optuna-tpe multi=true`.
        tasks: Landscapes and tables, see `make_landscapes` and `make_tables`.
        workers: Numbers of simulated workers. Other numbers than one are tried only on tables that
            show the mean of all trainings, because only there the optimum can be found.
        budget: Greatest number of distinct evaluations of a run.
        processes: Processes to share the tasks out to; with 0, this one does everything.
        progress: Receives the number of finished tasks.
        log: A JSON Lines file of finished tasks; those in it are not run again.

    Returns:
        One row per run and checkpoint; `summarise` compares them.

    Raises:
        UserError: If the log is of other searchers, numbers of workers, or budget.
    """
    settings = {"searchers": list(names), "workers": list(workers), "budget": budget}
    finished = _read_finished(log, settings) if log else {}
    missing = [task for task in tasks if _key(task) not in finished]
    run = partial(_run_on_task, names, workers, budget)
    for task, rows in zip(missing, _share_out(run, missing, processes), strict=True):
        finished[_key(task)] = rows
        if log:
            append_row(log, settings | {"task": _key(task), "rows": rows})
        progress("searchers", len(finished), len(tasks), task.name)
    return pd.DataFrame([row for task in tasks for row in finished[_key(task)]])


def _key(task: Task) -> str:
    """Name a task and its seed."""
    return f"{task.name}, seed {task.seed}"


def _read_finished(log: Path, settings: dict[str, object]) -> dict[str, list[Row]]:
    """Read the rows of the tasks that an interrupted comparison has finished."""
    lines = read_rows(log)
    if any({key: line[key] for key in settings} != settings for line in lines):
        raise UserError(f"{log} is of a comparison with other settings: remove it to start anew")
    return {line["task"]: line["rows"] for line in lines}


def _run_on_task(
    names: Sequence[str], workers: Sequence[int], budget: int, task: Task
) -> list[Row]:
    """Run the searchers on a task; leave out those that cannot finish."""
    able = [name for name in names if _can_finish(name, task.problem.space, budget)]
    counts = workers if isinstance(task, PlacementBench) and task.sees == "mean" else (1,)
    return [
        row for name in able for count in counts for row in run_searcher(name, task, count, budget)
    ]


def _can_finish(name: str, space: Space, budget: int) -> bool:
    """Tell whether a searcher can visit all placements, or think about so many sites."""
    if name == "all":
        return bool(space.size <= budget)
    return space.sites <= MAX_SITES.get(split_searcher(name)[0], space.sites)


def _share_out(work: Callable[[Task], T], tasks: Sequence[Task], processes: int) -> Iterator[T]:
    """Yield the result of the work on each task, in order."""
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
    """Compare searchers by their runs with all seeds.

    Args:
        traces: The result of `trace_searchers`.

    Returns:
        One row per task, number of workers, checkpoint and searcher: regret over all seeds, the
        evaluations until each goal, and p-values against the reference searchers.
    """
    rows = []
    columns = [*PAIRING_COLUMNS, "searcher"]
    for (task, workers, evaluations, name), runs in traces.groupby(columns, sort=False):
        row = {"task": task, "searcher": name, "workers": workers, "evaluations": evaluations}
        row |= _describe(runs)
        for reference in REFERENCE_SEARCHERS:
            others = traces[traces.searcher == reference]
            pairs = runs.merge(others, on=[*PAIRING_COLUMNS, "seed"], suffixes=("", "_reference"))
            row[f"p_{reference}"] = _p_value(pairs, "regret")
            row[f"p_{reference}_until_1.0%"] = _p_value(pairs, "until_1.0%")
        rows.append(row | {"ms_per_evaluation": runs.ms_per_evaluation.median()})
    return pd.DataFrame(rows)


def _describe(runs: pd.DataFrame) -> Row:
    """Return rounds, regret, hypervolume and evaluations until goals of one searcher's runs."""
    regret = runs.regret
    row: Row = {"rounds": runs.rounds.median(), "seeds": len(runs)}
    row |= {"mean": regret.mean(), "median": regret.median()}
    row |= {"lower": regret.quantile(0.25), "upper": regret.quantile(0.75)}
    row["hypervolume"] = runs.hypervolume.mean()
    for column in _goal_columns(runs):  # a run that never reaches a goal takes longer than all
        row[column] = runs[column].fillna(np.inf).median()
    return row


def _goal_columns(frame: pd.DataFrame) -> list[str]:
    """List the columns of evaluations and rounds until goals, without those of p-values."""
    columns = [str(column) for column in frame.columns]
    return [name for name in columns if "until" in name and not name.startswith("p_")]


def _p_value(pairs: pd.DataFrame, column: str) -> float:
    """Test a searcher against a reference on the same tasks, two-sided; NaN without differences."""
    own, reference = pairs[column], pairs[f"{column}_reference"]
    gaps = own.fillna(UNREACHED_EVALUATIONS) - reference.fillna(UNREACHED_EVALUATIONS)
    return float(wilcoxon(gaps).pvalue) if gaps.any() else float("nan")


def digest(frame: pd.DataFrame) -> pd.DataFrame:
    """Pick the figures to look at first: one row per task, number of workers and searcher.

    Args:
        frame: The result of `summarise`.

    Returns:
        The figures at the last checkpoint, and regret and hypervolume at an early one.
    """
    keys = ["task", "workers", "searcher"]
    last = frame.groupby(keys, sort=False).last().reset_index()
    early = frame[frame.evaluations == EARLY_CHECKPOINT].set_index(keys)
    early = early[["mean", "hypervolume"]].add_suffix(f" at {EARLY_CHECKPOINT}")
    return last[[*keys, "evaluations", "mean", *_goal_columns(frame)]].join(early, on=keys)
