"""Is the default searcher no worse than each rival? Paired log-ratios with bounds, one row a pair.

Where everybody comes within a hundredth of the optimum, evaluations until then are compared, or
the budget where a run never does; in larger spaces, regret at two numbers of evaluations; where the
searcher sees one training, regret at one. The upper bound of the mean log-ratio is Student's, at
5 % divided by the number of rivals of the task. The default is no worse if the bound is at most a
tenth above one.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import t as student

from ean_search.search.searchers.registry import DEFAULT_SEARCHER

MAX_RATIO = 1.1  # that still counts as no worse
ERROR_RATE = 0.05  # of all bounds of a task together
MIN_REGRET = 0.01  # in standard deviations of the reward; smaller ones count as this
GOAL = "until_1.0%"
SMALL_SPACE_SITES = 16
SMALL_SPACE_CHECKPOINTS, LARGE_SPACE_CHECKPOINTS = (50,), (100, 300)


def compare_with_default(traces: pd.DataFrame, default: str = DEFAULT_SEARCHER) -> pd.DataFrame:
    """Compare a searcher with every other one on the same tasks, one worker each.

    Args:
        traces: The result of `trace_searchers`.
        default: The searcher that should be no worse.

    Returns:
        One row per task, figure and rival: the number of pairs, the geometric mean of the ratio of
        the default's figure to the rival's, its upper bound, and whether that is small enough. No
        row without the default or without rivals.
    """
    rows = []
    for task, runs in traces[traces.workers == 1].groupby("task", sort=False):
        rivals = [name for name in runs.searcher.unique() if name != default]
        for figure, values in _figures(runs).items():
            table = values.unstack("searcher")
            for rival in rivals if default in table else ():
                ratios = np.log(table[default] / table[rival]).dropna()
                row = {"task": task, "figure": figure, "searcher": default, "rival": rival}
                rows.append(row | _bound(ratios.to_numpy(), len(rivals)))
    return pd.DataFrame(rows)


def _figures(runs: pd.DataFrame) -> dict[str, pd.Series]:
    """Return what the runs of a task are judged by: positive values by searcher and seed."""
    keys = ["searcher", "seed"]
    if runs.goal_in_sight.all() and (runs.sites <= SMALL_SPACE_SITES).all():
        last = runs.sort_values("evaluations").groupby(keys, sort=False).last()
        return {"evaluations": last[GOAL].fillna(last.evaluations)}
    small = (runs.sites <= SMALL_SPACE_SITES).all()
    checkpoints: Sequence[int] = SMALL_SPACE_CHECKPOINTS if small else LARGE_SPACE_CHECKPOINTS
    return {
        f"regret at {n}": runs[runs.evaluations == n].set_index(keys).regret.clip(lower=MIN_REGRET)
        for n in checkpoints
        if (runs.evaluations == n).any()
    }


def _bound(ratios: np.ndarray, rivals: int) -> dict[str, object]:
    """Describe log-ratios: their mean and its upper bound, as ratios."""
    count, mean = len(ratios), ratios.mean()
    error = ratios.std(ddof=1) / count**0.5 if count > 1 else math.inf
    upper = mean + error * student.ppf(1 - ERROR_RATE / rivals, max(1, count - 1))
    return {
        "pairs": count,
        "ratio": math.exp(mean),
        "upper_bound": math.exp(upper),
        "no_worse": bool(upper <= math.log(MAX_RATIO)),
    }
