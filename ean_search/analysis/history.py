"""How far a search had come after every trial, as a frame; imports no torch."""

import numpy as np
import pandas as pd

from ean_search.core.pareto import GrowingFront


def history(frame: pd.DataFrame, x: str = "latency_ms") -> pd.DataFrame:
    """Return a row a trial: the best accuracy and reward so far, and the front's hypervolume.

    Costs count as shares of the range that was evaluated in the end, so that the last volume is
    the front's and the column never falls.
    """
    done = frame.status == "done"
    return pd.DataFrame(
        {
            "evaluations": np.arange(1, len(frame) + 1),
            "step": frame.step,
            "accuracy": frame.accuracy,
            "best_accuracy": frame.accuracy.where(done).astype(float).cummax().ffill(),
            "best_reward": frame.reward.where(done).astype(float).cummax().ffill(),
            "hypervolume": _volumes(frame[done], x).reindex(frame.index).ffill().fillna(0.0),
        }
    )


def _volumes(done: pd.DataFrame, x: str) -> pd.Series:
    """Give the hypervolume after each of the trials; it changes only where the front does."""
    front, volume, volumes = GrowingFront(), 0.0, []
    low, high = done[x].min(), done[x].max()
    for cost, accuracy in done[[x, "accuracy"]].itertuples(index=False):
        if front.add(cost, accuracy):
            volume = front.volume(low, high)
        volumes.append(volume)
    return pd.Series(volumes, index=done.index, dtype=float)
