import numpy as np
import pandas as pd
import pytest

from ean_search.core.pareto import front, front_mask, hypervolume, knee


def dominated(points, i):
    worse = [(p <= points[i]).all() and (p < points[i]).any() for p in points]
    twin = [(p == points[i]).all() for p in points[:i]]
    return any(worse) or any(twin)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_what_nothing_dominates(axes, seed):
    points = np.random.default_rng(seed).integers(0, 6, size=(40, axes)).astype(float)
    expected = [not dominated(points, i) for i in range(len(points))]
    assert front_mask(points).tolist() == expected


def test_a_frames_front_runs_from_cheap_to_accurate():
    frame = pd.DataFrame(
        {"latency_ms": [3.0, 1.0, 2.0, 2.5, 4.0], "accuracy": [0.9, 0.5, 0.8, 0.7, np.nan]}
    )
    found = front(frame)
    assert found.latency_ms.tolist() == [1.0, 2.0, 3.0]
    assert found.accuracy.is_monotonic_increasing


def test_hypervolume_of_known_shapes():
    assert hypervolume([[1, 2], [2, 1]], [3, 3]) == pytest.approx(3.0)
    assert hypervolume([[0, 0, 0]], [1, 2, 3]) == pytest.approx(6.0)
    assert hypervolume([[5, 5]], [3, 3]) == 0.0


@pytest.mark.parametrize("axes", [2, 3])
def test_hypervolume_agrees_with_counting_points(axes):
    rng = np.random.default_rng(axes)
    points, probes = rng.random((8, axes)), rng.random((20_000, axes))
    covered = (points[:, None] <= probes).all(2).any(0).mean()
    assert hypervolume(points, np.ones(axes)) == pytest.approx(covered, abs=0.015)


def test_the_knee_is_where_the_front_bends():
    frame = pd.DataFrame({"latency_ms": [1.0, 1.1, 2.0], "accuracy": [0.5, 0.79, 0.8]})
    assert knee(frame).latency_ms == 1.1
    assert knee(frame.iloc[:1]).latency_ms == 1.0
