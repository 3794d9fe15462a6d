import numpy as np
import pandas as pd
import pytest

from ean_search.analysis.history import history
from ean_search.core.pareto import front_hypervolume


@pytest.fixture
def frame(rng):
    rows = {"latency_ms": rng.uniform(1, 2, 40), "accuracy": rng.uniform(0.5, 0.9, 40)}
    return pd.DataFrame(rows | {"reward": rng.normal(size=40), "step": 0, "status": "done"})


def test_it_never_falls_and_ends_at_the_fronts_volume(frame):
    past = history(frame)
    assert list(past.evaluations) == list(range(1, 41))
    for column in ("best_accuracy", "best_reward", "hypervolume"):
        assert past[column].is_monotonic_increasing
    assert past.best_accuracy.iloc[-1] == frame.accuracy.max()
    assert past.hypervolume.iloc[-1] == pytest.approx(front_hypervolume(frame))


def test_what_failed_changes_nothing(frame):
    frame.loc[[0, 7], ["accuracy", "status"]] = [np.nan, "failed"]
    frame.loc[9, ["accuracy", "status"]] = [1.0, "infeasible"]
    past = history(frame)
    assert np.isnan(past.best_accuracy[0])
    assert past.hypervolume[0] == 0
    assert past.hypervolume[7] == past.hypervolume[6]
    assert past.best_accuracy.max() < 1


def test_nothing_dominates_nothing(frame):
    assert front_hypervolume(frame.iloc[:0]) == 0
    assert front_hypervolume(frame.iloc[:1]) == pytest.approx(frame.accuracy[0])
