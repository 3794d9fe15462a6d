"""How far a search had come after every trial, as a frame; imports no torch."""

import numpy as np
import pandas as pd

from ean_search.pareto import REFERENCE, front_mask, hypervolume, shares


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
    front, volume, volumes = np.empty((0, 2)), 0.0, []
    for point in shares(done, x):
        if not (front <= point).all(axis=1).any():
            front = np.vstack([front, point])
            front = front[front_mask(front)]
            volume = hypervolume(front, REFERENCE)
        volumes.append(volume)
    return pd.Series(volumes, index=done.index, dtype=float)
