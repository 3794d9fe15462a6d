"""How the best results of a search grew with its trials, as a frame."""

from typing import Any

import numpy as np
import pandas as pd

from ean_search.core.pareto import GrowingFront


def history(frame: pd.DataFrame, x: str = "latency_ms") -> pd.DataFrame:
    """Return the best accuracy, the best reward and the front's hypervolume after every trial.

    Costs count as shares of the range that was evaluated in the end. So the last hypervolume is
    that of the final front, and the column never falls.

    Args:
        frame: One row per trial, as `Run.frame` returns it.
        x: The cost axis, a field of `Cost`.

    Returns:
        One row per trial: `evaluations` (from 1 on), `step`, `accuracy`, `best_accuracy`,
        `best_reward` and `hypervolume`. Only trials with status `done` count as results.
    """
    done = frame["status"] == "done"
    columns: dict[str, Any] = {
        "evaluations": np.arange(1, len(frame) + 1),
        "step": frame["step"],
        "accuracy": frame["accuracy"],
        "best_accuracy": frame["accuracy"].where(done).astype(float).cummax().ffill(),
        "best_reward": frame["reward"].where(done).astype(float).cummax().ffill(),
        "hypervolume": _hypervolumes(frame[done], x).reindex(frame.index).ffill().fillna(0.0),
    }
    growth: pd.DataFrame = pd.DataFrame(columns)
    return growth


def _hypervolumes(done: pd.DataFrame, x: str) -> "pd.Series[float]":
    """Return the hypervolume after each trial; it changes only if the trial joins the front."""
    front, volume = GrowingFront(), 0.0
    volumes: list[float] = []
    low, high = done[x].min(), done[x].max()
    for cost, accuracy in done[[x, "accuracy"]].itertuples(index=False):
        if front.add(cost, accuracy):
            volume = front.volume(low, high)
        volumes.append(volume)
    series: pd.Series[float] = pd.Series(volumes, index=done.index, dtype=float)
    return series
