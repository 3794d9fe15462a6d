import numpy as np
import pandas as pd
import pytest

from ean_search.core.pareto import (
    GrowingFront,
    front,
    front_hypervolume,
    front_mask,
    hypervolume,
    knee,
)


def dominated(points, i):
    better = [(p <= points[i]).all() and (p < points[i]).any() for p in points]
    equal_before = [(p == points[i]).all() for p in points[:i]]
    return any(better) or any(equal_before)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_the_mask_marks_the_points_that_no_other_dominates(axes, seed):
    points = np.random.default_rng(seed).integers(0, 6, size=(40, axes)).astype(float)
    expected = [not dominated(points, i) for i in range(len(points))]
    assert front_mask(points).tolist() == expected


def test_the_front_of_a_frame_is_sorted_from_cheap_to_accurate():
    frame = pd.DataFrame(
        {"latency_ms": [3.0, 1.0, 2.0, 2.5, 4.0], "accuracy": [0.9, 0.5, 0.8, 0.7, np.nan]}
    )
    front_frame = front(frame)
    assert front_frame.latency_ms.tolist() == [1.0, 2.0, 3.0]
    assert front_frame.accuracy.is_monotonic_increasing


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


def test_the_knee_is_furthest_above_the_line_between_the_ends():
    frame = pd.DataFrame({"latency_ms": [1.0, 1.1, 2.0], "accuracy": [0.5, 0.79, 0.8]})
    assert knee(frame).latency_ms == 1.1
    assert knee(frame.iloc[:1]).latency_ms == 1.0


def random_frame(seed, rows=30):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"latency_ms": rng.uniform(1, 2, rows), "accuracy": rng.random(rows)})


def test_a_growing_front_is_the_front_of_all_trials_added():
    frame, growing = random_frame(0), GrowingFront()
    for latency, accuracy in frame.itertuples(index=False):
        growing.add(latency, accuracy)
    points = np.sort(growing.points[:, 0])
    assert points.tolist() == front(frame).latency_ms.tolist()
    assert growing.volume() == pytest.approx(front_hypervolume(frame))


def test_adding_a_trial_tells_whether_it_is_on_the_front():
    growing = GrowingFront()
    assert growing.volume() == 0.0
    assert growing.add(2.0, 0.5)
    assert not growing.add(3.0, 0.4)
    assert not growing.add(2.0, 0.5)
    assert growing.add(1.0, 0.3)
    assert len(growing.points) == 2


def test_the_hypervolume_of_a_frame_scales_its_costs():
    frame = pd.DataFrame({"latency_ms": [10.0, 20.0, 30.0], "accuracy": [0.5, 0.75, np.nan]})
    assert front_hypervolume(frame) == pytest.approx(0.5)  # the third row has no accuracy
    frame.loc[2, "accuracy"] = 0.0
    assert front_hypervolume(frame) == pytest.approx(0.5 * 0.5 + 0.5 * 0.75)
