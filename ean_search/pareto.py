"""Fronts, hypervolume and knee, as functions of frames and arrays; imports no torch."""

import numpy as np
import pandas as pd

REFERENCE = np.array([1.0, 0.0])  # the corner of `shares` from which a hypervolume is measured


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


def shares(frame: pd.DataFrame, x: str = "latency_ms", y: str = "accuracy") -> np.ndarray:
    """Place trials on axes to be small: cost as a share of its range, and negated accuracy."""
    cost = frame[x] - frame[x].min()
    return np.column_stack([cost / (np.ptp(frame[x]) or 1.0), -frame[y]])


def front_hypervolume(frame: pd.DataFrame, x: str = "latency_ms", y: str = "accuracy") -> float:
    """Return what a frame's trials dominate: accuracy, times the share of the costs evaluated."""
    done = frame[frame[y].notna()]
    if done.empty:
        return 0.0
    points = shares(done, x, y)
    return hypervolume(points[front_mask(points)], REFERENCE)


def knee(frame: pd.DataFrame, x: str = "latency_ms", y: str = "accuracy") -> pd.Series:
    """Return the member of a front that lies furthest above the line between its ends."""
    ends = frame.iloc[[0, -1]]
    width = np.ptp(ends[x].to_numpy()) or 1.0
    height = np.ptp(ends[y].to_numpy()) or 1.0
    gain = (frame[y] - frame[y].iloc[0]) / height - (frame[x] - frame[x].iloc[0]) / width
    return frame.iloc[int(gain.to_numpy().argmax())]
