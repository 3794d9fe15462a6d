"""Pareto fronts, their hypervolume and their knee, for data frames and arrays."""

import numpy as np
import pandas as pd


def front_mask(points: np.ndarray) -> np.ndarray:
    """Mark the points that no other point dominates.

    Args:
        points: (points, axes); smaller is better on every axis.

    Returns:
        (points,), True on the front; of equal points, only the first is True.
    """
    points = np.asarray(points, dtype=float)
    if points.ndim == 2 and points.shape[1] == 2:
        return _plane_front_mask(points)
    keep = np.ones(len(points), dtype=bool)
    for i, point in enumerate(points):
        no_worse = (points <= point).all(1)
        better = no_worse & (points < point).any(1)
        equal = no_worse & ~better
        keep[i] = not better.any() and int(np.flatnonzero(equal)[0]) == i
    return keep


def _plane_front_mask(points: np.ndarray) -> np.ndarray:
    """Do the same for two axes, by sorting."""
    order = np.lexsort((np.arange(len(points)), points[:, 1], points[:, 0]))
    lowest = np.minimum.accumulate(points[order, 1])
    keep = np.zeros(len(points), dtype=bool)
    keep[order] = points[order, 1] < np.concatenate([[np.inf], lowest[:-1]])
    return keep


def front(frame: pd.DataFrame, x: str = "latency_ms", y: str = "accuracy") -> pd.DataFrame:
    """Return the Pareto front of accuracy against a cost.

    Args:
        frame: One row per trial; rows without an accuracy are left out.
        x: The column of the cost; smaller is better.
        y: The column of the accuracy; larger is better.

    Returns:
        The rows of the front, cheapest first.
    """
    done = frame.loc[frame[y].notna()]
    keep = front_mask(np.column_stack([done[x], -done[y]]))
    rows: pd.DataFrame = done.loc[keep].sort_values([x, y]).reset_index(drop=True)
    return rows


def hypervolume(points: np.ndarray, reference: np.ndarray) -> float:
    """Return the hypervolume: the volume that points dominate, up to a reference point.

    Args:
        points: (points, axes); smaller is better on every axis.
        reference: (axes,); points that are not better on every axis count for nothing.
    """
    points = np.asarray(points, dtype=float)
    reference = np.asarray(reference, dtype=float)
    points = points[(points < reference).all(1)]
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(reference[0] - points.min())
    # Slice along the last axis: between two heights, the dominated base stays the same.
    points = points[np.argsort(points[:, -1])]
    tops = np.append(points[1:, -1], reference[-1])
    slices = (
        (top - points[i, -1]) * hypervolume(points[: i + 1, :-1], reference[:-1])
        for i, top in enumerate(tops)
        if top > points[i, -1]
    )
    return float(sum(slices))


def front_hypervolume(frame: pd.DataFrame, x: str = "latency_ms", y: str = "accuracy") -> float:
    """Return the hypervolume of a frame's trials.

    Costs are scaled to [0, 1] over the costs of the trials; the reference point is the highest cost
    at an accuracy of 0.

    Args:
        frame: One row per trial; rows without an accuracy are left out.
        x: The column of the cost.
        y: The column of the accuracy.
    """
    front = GrowingFront()
    for cost, value in frame.loc[frame[y].notna(), [x, y]].itertuples(index=False):
        front.add(cost, value)
    return front.volume()


class GrowingFront:
    """A Pareto front of accuracy against a cost to which trials are added one by one."""

    def __init__(self) -> None:
        self.points = np.empty((0, 2))  # cost and negated accuracy: smaller is better for both
        self.low, self.high = np.inf, -np.inf  # the range of the costs of all trials added

    def add(self, cost: float, accuracy: float) -> bool:
        """Add a trial; return True if it is on the front."""
        self.low, self.high = min(self.low, cost), max(self.high, cost)
        point = np.array([cost, -accuracy])
        if (self.points <= point).all(axis=1).any():
            return False
        dominated = (self.points >= point).all(axis=1)
        self.points = np.vstack([self.points[~dominated], point])
        return True

    def volume(self, low: float | None = None, high: float | None = None) -> float:
        """Return the hypervolume, with costs scaled to [0, 1].

        Args:
            low: The cost that becomes 0; by default, the lowest cost added.
            high: The cost that becomes 1; by default, the highest cost added.
        """
        if not len(self.points):
            return 0.0
        low, high = self.low if low is None else low, self.high if high is None else high
        costs = (self.points[:, 0] - low) / ((high - low) or 1.0)
        return hypervolume(np.column_stack([costs, self.points[:, 1]]), np.array([1.0, 0.0]))


def knee(frame: pd.DataFrame, x: str = "latency_ms", y: str = "accuracy") -> pd.Series:
    """Return the knee of a front: the row furthest above the line from its first to its last row.

    Args:
        frame: A front, cheapest first, as `front` returns it.
        x: The column of the cost.
        y: The column of the accuracy.
    """
    end_points = frame.iloc[[0, -1]]
    width = np.ptp(end_points[x].to_numpy()) or 1.0
    height = np.ptp(end_points[y].to_numpy()) or 1.0
    gain = (frame[y] - frame[y].iloc[0]) / height - (frame[x] - frame[x].iloc[0]) / width
    return frame.iloc[int(gain.to_numpy().argmax())]
