"""Comparisons of retrained placements over paired seeds."""

import numpy as np
import pandas as pd
import pytest

from ean_search.analysis.run_folder import Run
from ean_search.retrain.compare import (
    compare,
    each_training,
    paired_interval,
    price_and_time,
    save_comparison,
    select_placements,
    tabulate,
    train_paired,
    unique_placements,
)
from ean_search.retrain.retrain import plan_retraining
from ean_search.utils.errors import UserError

ONE_EPOCH = {"retrain.epochs": 1}


def test_paired_intervals_are_those_of_student():
    mean, half = paired_interval(np.array([1.0, 2.0, 3.0]))
    assert mean == 2
    assert half == pytest.approx(4.302653 / np.sqrt(3), rel=1e-6)
    assert np.isnan(paired_interval(np.array([1.0]))[1])


def test_placements_are_selected_by_names_and_texts(short_run, caplog):
    chosen = select_placements(short_run, "1-0-0-0", "none, all,random:3")
    assert list(chosen) == ["1-0-0-0", "none", "all", "random:3"]
    drawn = chosen["random:3"]
    assert len(set(drawn)) == 3
    assert all(p.attached == 1 for p in drawn)
    assert short_run.find("1-0-0-0") not in drawn
    assert len(select_placements(short_run, "1-0-0-0", "random:9")["random:9"]) == 3
    assert "3 of 9 random placements" in caplog.text
    # There is only one placement without attachments, so no random one like it.
    assert list(select_placements(short_run, "none", "random:2")) == ["none"]
    with pytest.raises(UserError, match="expected random:N"):
        select_placements(short_run, "1-0-0-0", "random:none")


def test_all_placements_train_with_one_seed_before_the_next(tiny):
    calls, reports = [], []

    def train(placement, seed):
        calls.append((str(placement), seed))
        return seed / 10

    placements = [tiny.named["none"], tiny.named["all"]]
    scores = train_paired(train, placements, [1, 2], lambda *report: reports.append(report))
    assert calls == [("0-0-0-0", 1), ("1-1-1-1", 1), ("0-0-0-0", 2), ("1-1-1-1", 2)]
    assert scores[placements[1], 2] == 0.2
    assert reports[-1][:3] == ("trainings", 4, 4)


def test_a_table_has_means_and_paired_differences_to_the_first(tiny):
    best, none = tiny.parse("1-0-0-0"), tiny.named["none"]
    accuracies = {(best, 0): 0.5, (best, 1): 0.7, (none, 0): 0.4, (none, 1): 0.5}
    costs = pd.DataFrame({"latency_ms": [3.0, 2.0]}, index=[str(best), str(none)])
    frame = tabulate({"best": [best], "none": [none]}, [0, 1], accuracies, costs).set_index("name")
    assert frame.accuracy.tolist() == pytest.approx([0.6, 0.45])
    assert frame.found_minus_this.tolist() == pytest.approx([0.0, 0.15])
    assert frame.deviation["none"] == pytest.approx(np.std([0.4, 0.5], ddof=1))
    assert frame.latency_ms.tolist() == [3.0, 2.0]
    assert frame.seeds.tolist() == [2, 2]


def test_costs_are_those_of_the_pruned_networks(short_run):
    plan = plan_retraining(short_run, ONE_EPOCH)
    placements = [short_run.find(name) for name in ("none", "1-0-0-0", "all")]
    costs = price_and_time(plan, placements, rounds=2)
    assert costs.index.tolist() == ["0-0-0-0", "1-0-0-0", "1-1-1-1"]
    assert costs.sites.tolist() == [0, 1, 4]
    assert costs.params.is_monotonic_increasing
    assert costs.latency_x["0-0-0-0"] == 1
    assert costs.latency_removed.loc[["0-0-0-0", "1-1-1-1"]].tolist() == pytest.approx([1, 0])


def test_a_comparison_needs_the_costs_of_the_run(tmp_path, tiny):
    with pytest.raises(UserError, match="has no costs yet: ean-search resume"):
        unique_placements(Run(tmp_path), {"none": [tiny.named["none"]]})


@pytest.mark.slow
def test_seeds_are_paired_and_finished_trainings_kept(short_run):
    plan = plan_retraining(short_run, ONE_EPOCH, recipe="quick")
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
