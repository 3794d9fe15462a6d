import json

import pandas as pd
import pytest

from ean_search.analysis.caveats import (
    caveats,
    has_random_placements,
    is_conclusive,
    more_accurate_trials,
)
from ean_search.analysis.significance import difference_error, judge


def make_summary(accuracies, images=1000, **more):
    """Make the parts of a summary that caveats are about; the first accuracy is that of none."""
    none, gains = accuracies[0], {}
    for number, accuracy in enumerate(accuracies[1:], 1):
        gains[f"{number}-0"] = accuracy - none, difference_error(accuracy, none, images)
    judged = judge(list(accuracies), gains, classes=10, images=images)
    return {"significance": judged.to_fields(), **more}


def make_comparison(best, sites, random):
    row = {"placement": best, "accuracy": 0.7, "reward": 0.69, "sites": sites}
    return {"best": row, "random": {"placements": random, "accuracy": 0.7, "deviation": 0.0}}


def test_chance_is_said_with_its_figures_and_what_to_do():
    summary = make_summary([0.08, 0.10], images=100)
    (note,) = caveats(summary)
    assert "cannot be told from chance" in note
    assert "the highest of 2 is 10.00 %" in note
    assert "takes 17.00 %" in note
    assert "train longer (more epochs)" in note
    assert not is_conclusive(summary)


def test_a_front_that_cannot_be_told_from_none_is_said_to_be_so_approximately():
    summary = make_summary([0.60, 0.605, 0.61])
    (note,) = caveats(summary)
    assert note.startswith("No placement of the front can be told from none: ")
    assert "1.00 points with a standard error of 2.19 (approximate" in note
    assert not is_conclusive(summary)


def test_a_front_of_none_alone_is_not_worth_retraining():
    (note,) = caveats(make_summary([0.60]))
    assert note.startswith("No placement within the limits is more accurate than none")


def test_a_clear_run_and_one_of_an_earlier_version_need_no_caveat():
    clear = make_summary([0.60, 0.70])
    assert caveats(clear) == []
    assert is_conclusive(clear)
    assert caveats({}) == []
    assert is_conclusive({})


@pytest.mark.parametrize(
    ("best", "sites", "where"), [("0-0", 0, "at no site"), ("1-1", 2, "at every site")]
)
def test_where_nothing_random_is_comparable_that_is_said(best, sites, where):
    comparison = make_comparison(best, sites, [best] * 5)
    assert not has_random_placements(comparison)
    (note,) = caveats({"comparison": comparison})
    assert where in note
    assert "nothing random to compare it with" in note
    assert caveats({"comparison": make_comparison("1-0", 1, ["0-1", "1-0"])}) == []


def test_a_more_accurate_trial_than_best_is_explained():
    comparison = make_comparison("1-0", 1, ["0-1", "1-0"])
    done = {"placement": "1-1", "accuracy": 0.72, "reward": 0.66}
    over = {"placement": "2-2", "accuracy": 0.75, "reward": -2.0}
    summary = {
        "comparison": comparison,
        "objective": "accuracy - 0.02 latency",
        "limits": "sites < 2",
        "more_accurate": {"done": done, "infeasible": over},
    }
    reward, limit = caveats(summary)
    assert "highest reward, accuracy - 0.02 latency: 1-1 is more accurate (72.00 %)" in reward
    assert "its costs take 6.00 points off its reward, and those of best 1.00" in reward
    assert limit == "2-2 is more accurate than best (75.00 %), but breaks a limit (sites < 2)."


def test_the_most_accurate_trials_are_found_by_status():
    rows = [
        (0, "a", "done", 0.5, 0.50),
        (1, "b", "done", 0.7, 0.40),
        (2, "c", "done", 0.6, 0.45),
        (3, "d", "infeasible", 0.9, -2.0),
        (4, "e", "failed", None, -3.0),
        (5, "f", "stopped", 0.95, 0.1),
    ]
    columns = ["number", "placement", "status", "accuracy", "reward"]
    trials = pd.DataFrame(rows, columns=columns)
    better = more_accurate_trials(trials, 0.5)
    assert {status: row["placement"] for status, row in better.items()} == {
        "done": "b",
        "infeasible": "d",
    }
    assert json.loads(json.dumps(better)) == better
    assert more_accurate_trials(trials, 0.9) == {}
