"""How a run's winners do on images that had no part in choosing them."""

import json

import numpy as np
import pandas as pd
import pytest

from ean_search.core.space import Space
from ean_search.runs.judging import RANDOM_PLACEMENTS, draw_random

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(3, 3))


@pytest.fixture
def summary(small_run):
    return json.loads(small_run.summary_file.read_text())


def test_accuracies_of_winners_are_those_of_their_stored_answers(small_run, summary):
    judged, searched = small_run.read_judged_answers(), small_run.read_answers()
    assert len(searched) == summary["trials"]
    for row in (summary["comparison"][name] for name in ("best", "knee", "none", "all")):
        placement = small_run.find(row["placement"])
        assert judged[placement].accuracy == row["accuracy"]
        assert searched[placement].accuracy == row["search_accuracy"]


def test_the_best_one_is_compared_image_by_image(small_run, summary):
    rows, judged = summary["comparison"], small_run.read_judged_answers()
    right = {p: answers.right for p, answers in judged.items()}
    best = right[small_run.find("best")]
    others = [right[small_run.find(text)] for text in rows["random"]["placements"]]
    difference = rows["random"]["best_minus_this"]
    assert difference["difference"] == pytest.approx((best - np.mean(others, axis=0)).mean())
    assert difference["low"] < difference["difference"] < difference["high"]
    assert "best_minus_this" not in rows["best"]


def test_members_of_the_front_are_compared_with_the_cheaper_one_before(small_run):
    front = pd.read_csv(small_run.front_table, dtype={"placement": str})
    assert bool(front.told_apart[0])
    assert np.isnan(front.gain[0])
    gains = front.judged_accuracy.diff()[1:]
    assert front.gain[1:].to_numpy() == pytest.approx(gains.to_numpy())
    assert (front.told_apart[1:] == (front.gain_low[1:] > 0)).all()


def test_random_placements_are_others_of_the_same_count():
    best = SPACE.parse("110-000")
    drawn = draw_random(SPACE, best, seed=0)
    assert len(set(drawn)) == RANDOM_PLACEMENTS
    assert best not in drawn
    assert {placement.attached for placement in drawn} == {2}
    assert draw_random(SPACE, SPACE.named["all"], seed=0) == [SPACE.named["all"]]
