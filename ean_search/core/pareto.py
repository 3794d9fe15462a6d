"""Fronts, hypervolume and knee, as functions of frames and arrays; imports no torch."""

import numpy as np
import pandas as pd


def front_mask(points: np.ndarray) -> np.ndarray:
    """Say which points no other dominates, small being good; of equal points the first stays."""
    points = np.asarray(points, dtype=float)
    if points.ndim == 2 and points.shape[1] == 2:
        return _plane_front_mask(points)
    keep = np.ones(len(points), dtype=bool)
    for i, point in enumerate(points):
        no_worse = (points <= point).all(1)
        better = no_worse & (points < point).any(1)
        twin = no_worse & ~better
        keep[i] = not better.any() and int(np.flatnonzero(twin)[0]) == i
    return keep


def _plane_front_mask(points: np.ndarray) -> np.ndarray:
    """Do the same for two axes by sorting."""
    order = np.lexsort((np.arange(len(points)), points[:, 1], points[:, 0]))
    lowest = np.minimum.accumulate(points[order, 1])
    keep = np.zeros(len(points), dtype=bool)
    keep[order] = points[order, 1] < np.concatenate([[np.inf], lowest[:-1]])
    return keep


def front(frame: pd.DataFrame, x: str = "latency_ms", y: str = "accuracy") -> pd.DataFrame:
    """Return a frame's Pareto front of accuracy against a cost, cheapest first."""
    done = frame[frame[y].notna()]
    keep = front_mask(np.column_stack([done[x], -done[y]]))
    return done[keep].sort_values([x, y]).reset_index(drop=True)


def hypervolume(points: np.ndarray, reference: np.ndarray) -> float:
    """Return the volume that points dominate below a reference point, all axes to be small."""
    points = np.asarray(points, dtype=float)
    reference = np.asarray(reference, dtype=float)
    points = points[(points < reference).all(1)]
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(reference[0] - points.min())
    # Slice along the last axis: between two heights the dominated base stays the same.
    points = points[np.argsort(points[:, -1])]
    tops = np.append(points[1:, -1], reference[-1])
    return sum(
        (top - points[i, -1]) * hypervolume(points[: i + 1, :-1], reference[:-1])
        for i, top in enumerate(tops)
        if top > points[i, -1]
    )


def front_hypervolume(frame: pd.DataFrame, x: str = "latency_ms", y: str = "accuracy") -> float:
    """Return what a frame's trials dominate: accuracy, times the share of the costs evaluated."""
    front = GrowingFront()
    for cost, value in frame.loc[frame[y].notna(), [x, y]].itertuples(index=False):
        front.add(cost, value)
    return front.volume()


class GrowingFront:
    """A front of accuracy against a cost that takes one trial after another."""

    def __init__(self) -> None:
        self.points = np.empty((0, 2))  # cost and negated accuracy: both are to be small
        self.low, self.high = np.inf, -np.inf  # costs of all trials taken

    def add(self, cost: float, accuracy: float) -> bool:
        """Take a trial, and say whether it joined the front."""
        self.low, self.high = min(self.low, cost), max(self.high, cost)
        point = np.array([cost, -accuracy])
        if (self.points <= point).all(axis=1).any():
            return False
        beaten = (self.points >= point).all(axis=1)
        self.points = np.vstack([self.points[~beaten], point])
        return True

    def volume(self, low: float | None = None, high: float | None = None) -> float:
        """Return the hypervolume, costs being shares of a range, or of the one seen so far."""
        if not len(self.points):
            return 0.0
        low, high = self.low if low is None else low, self.high if high is None else high
        costs = (self.points[:, 0] - low) / ((high - low) or 1.0)
        return hypervolume(np.column_stack([costs, self.points[:, 1]]), np.array([1.0, 0.0]))


def knee(frame: pd.DataFrame, x: str = "latency_ms", y: str = "accuracy") -> pd.Series:
    """Return the member of a front that lies furthest above the line between its ends."""
    ends = frame.iloc[[0, -1]]
    width = np.ptp(ends[x].to_numpy()) or 1.0
    height = np.ptp(ends[y].to_numpy()) or 1.0
    gain = (frame[y] - frame[y].iloc[0]) / height - (frame[x] - frame[x].iloc[0]) / width
    return frame.iloc[int(gain.to_numpy().argmax())]
