"""The conclusions of a run: its front, its comparison, and the commands that come next."""

import json

import numpy as np
import pandas as pd
import pytest

from ean_search.core.trial import EvaluationResult
from ean_search.runs.pipeline import do_run
from ean_search.runs.summary import RANDOM_PLACEMENTS, next_commands
from ean_search.utils.errors import UserError


@pytest.fixture
def summary(small_run):
    return json.loads(small_run.summary_file.read_text())


def test_the_front_and_the_summary_agree_with_the_trials(small_run, summary):
    front = pd.read_csv(small_run.front_table)
    assert front.accuracy.is_monotonic_increasing
    assert front.latency_ms.is_monotonic_increasing
    assert len(front) == len(small_run.front()) == len(summary["front"])
    assert (front.latency_measured_ms > 0).all()
    comparison = summary["comparison"]
    assert set(comparison) == {"best", "knee", "none", "all", "random"}
    accuracy = small_run.frame().set_index("placement").accuracy
    for name in ("best", "knee", "none", "all"):
        row = comparison[name]
        assert accuracy[row["placement"]] == row["accuracy"]
    best = small_run.space.parse(comparison["best"]["placement"])
    assert small_run.find("best") == best


def test_chance_is_the_mean_of_random_placements_with_as_many_attachments(small_run, summary):
    best, random = summary["comparison"]["best"], summary["comparison"]["random"]
    placements = [small_run.space.parse(text) for text in random["placements"]]
    assert len(placements) == RANDOM_PLACEMENTS
    assert random["sites"] == best["sites"]
    assert {placement.attached for placement in placements} == {best["sites"]}
    costs = [small_run.read_costs().price(placement).latency_ms for placement in placements]
    assert random["latency_ms"] == pytest.approx(np.mean(costs))


def test_a_summary_says_what_was_searched_and_why_the_search_ended(small_run, summary):
    assert summary["space"] == "tiny"
    assert summary["ending"] == "the budget is spent"
    assert summary["trials"] == 12
    assert summary["search_images"] == 200
    assert summary["objective"] == "accuracy - 0.02 latency"
    assert summary["cost_axis"] == "latency_ms"
    assert summary["verified"] == []
    assert summary["next"] == next_commands(small_run)
    assert summary["next"][1] == f"ean-search retrain {small_run.path} --placement best"


@pytest.mark.slow
def test_a_run_in_which_nothing_keeps_the_limits_says_so(tmp_path, make_run):
    with pytest.raises(UserError, match="is within the limits: loosen --budget-cost"):
        make_run(tmp_path / "run", {"search.limits": "sites < 0"})


@pytest.mark.slow
def test_a_placement_that_cannot_be_compared_is_named_with_the_reason(
    small_run, tmp_path, make_run, monkeypatch
):
    def fail(self, placements, race=None):
        for _ in placements:
            yield EvaluationResult(None, 0.0, "out of memory")

    run = make_run(tmp_path / "run", {"supernet.weights": str(small_run.supernet_file)})
    monkeypatch.setattr(
        "ean_search.evaluation.shared_weights.SharedWeightsEvaluator.evaluate", fail
    )
    with pytest.raises(UserError, match=r"cannot be compared with the winners: out of memory"):
        do_run(run)
