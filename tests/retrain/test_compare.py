import numpy as np
import pandas as pd
import pytest

from ean_search.retrain.compare import (
    compare,
    each_training,
    paired_interval,
    save_comparison,
    select_placements,
)
from ean_search.retrain.retrain import plan_retraining
from ean_search.utils.errors import UserError

SHORT = {"retrain.epochs": 1}


def test_paired_intervals_are_students():
    mean, half = paired_interval(np.array([1.0, 2.0, 3.0]))
    assert mean == 2
    assert half == pytest.approx(4.302653 / np.sqrt(3), rel=1e-6)
    assert np.isnan(paired_interval(np.array([1.0]))[1])


def test_names_stand_for_placements(short_run, caplog):
    chosen = select_placements(short_run, "1-0-0-0", "none, all,random:3")
    assert list(chosen) == ["1-0-0-0", "none", "all", "random:3"]
    drawn = chosen["random:3"]
    assert len(set(drawn)) == 3
    assert all(p.attached == 1 for p in drawn)
    assert short_run.find("1-0-0-0") not in drawn
    assert len(select_placements(short_run, "1-0-0-0", "random:9")["random:9"]) == 3
    assert "3 of 9 random placements" in caplog.text
    assert list(select_placements(short_run, "none", "random:2")) == [
        "none"
    ]  # there is one of a kind
    with pytest.raises(UserError, match="expected random:N"):
        select_placements(short_run, "1-0-0-0", "random:none")


def test_seeds_are_paired_and_finished_trainings_kept(short_run):
    plan = plan_retraining(short_run, SHORT, recipe="quick")
    chosen = select_placements(short_run, "1-0-0-0", "none,random:2")
    first = compare(plan, chosen, [0, 1], rounds=2)
    kept = plan.checkpoint(short_run.find("none"), 1).metrics_file
    before = kept.stat().st_mtime_ns
    again = compare(plan, chosen, [0, 1], rounds=2)
    assert kept.stat().st_mtime_ns == before
    measured = [c for c in first if c.startswith("latency")]
    pd.testing.assert_frame_equal(first.drop(columns=measured), again.drop(columns=measured))
    trainings = each_training(plan, chosen, [0, 1])
    assert len(trainings) == 8
    accuracy = trainings.pivot_table(index="seed", columns="name", values="test_accuracy")
    row = first.set_index("name").loc["none"]
    assert row.accuracy == pytest.approx(accuracy["none"].mean())
    difference = accuracy["1-0-0-0"] - accuracy["none"]
    assert row.found_minus_this == pytest.approx(difference.mean())
    assert row.low <= row.found_minus_this <= row.high
    assert (first.params > 0).all()
    path = save_comparison(plan, first, trainings)
    assert path == short_run.path / "retrain" / "quick" / "comparison.csv"
    assert list(pd.read_csv(path)["name"]) == list(chosen)
