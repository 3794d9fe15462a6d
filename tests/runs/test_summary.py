"""The conclusions of a run: its front, its comparison, and the commands that come next."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ean_search.analysis.run_folder import Run
from ean_search.core.trial import EvaluationResult
from ean_search.runs.experiment import load_experiment, save_experiment
from ean_search.runs.pipeline import do_run
from ean_search.runs.summary import next_commands
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
        assert accuracy[row["placement"]] == row["search_accuracy"]
    best = small_run.space.parse(comparison["best"]["placement"])
    assert small_run.find("best") == best


def test_chance_is_the_mean_of_random_placements_with_as_many_attachments(small_run, summary):
    best, random = summary["comparison"]["best"], summary["comparison"]["random"]
    placements = [small_run.space.parse(text) for text in random["placements"]]
    assert best["placement"] not in random["placements"]
    assert len(set(placements)) == len(placements) == min(5, math.comb(4, best["sites"]) - 1)
    assert random["sites"] == best["sites"]
    assert {placement.attached for placement in placements} == {best["sites"]}
    costs = [small_run.read_costs().price(placement).latency_ms for placement in placements]
    assert random["latency_ms"] == pytest.approx(np.mean(costs))


def test_a_summary_says_what_was_searched_and_why_the_search_ended(small_run, summary):
    assert summary["space"] == "tiny"
    assert summary["ending"] == "the budget is spent"
    assert summary["trials"] == 12
    assert (summary["search_images"], summary["judge_images"]) == (50, 50)
    assert summary["objective"] == "accuracy - 0.02 latency"
    assert summary["cost_axis"] == "latency_ms"
    assert summary["verified"] == []


def test_a_run_that_says_nothing_recommends_a_longer_training(small_run, summary):
    judged = summary["significance"]
    assert (judged["classes"], judged["images"], judged["trials"]) == (10, 50, 12)
    assert judged["highest_accuracy"] == small_run.frame().accuracy.max()
    assert not judged["above_chance"]  # after one epoch
    assert "cannot be told from chance" in summary["notes"][0]
    report, longer = summary["next"]
    assert report == f"ean-search report {small_run.path}"
    where = f"--experiment {small_run.experiment_file} --results {small_run.path.parent}"
    assert longer == f"ean-search run {where} --epochs 4"
    assert summary["next"] == next_commands(small_run, conclusive=False)


def test_a_run_that_is_conclusive_recommends_to_retrain_its_winners(small_run):
    assert next_commands(small_run) == [
        f"ean-search report {small_run.path}",
        f"ean-search retrain {small_run.path} --placement best",
        f"ean-search retrain {small_run.path} --placement knee",
    ]


def longer_training(path, **changes):
    """Return the recommended command for a run that has begun in a folder."""
    run = Run(Path(path))
    run.path.mkdir(parents=True)
    save_experiment(load_experiment(None, {"space": "tiny"} | changes), run.experiment_file)
    return next_commands(run, conclusive=False)[-1].removeprefix("ean-search run ")


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({"search.evaluator": "standalone", "standalone.epochs": 2}, "--set standalone.epochs=8"),
        (
            {"supernet.recipe.epochs": 3, "supernet.weights": "a.safetensors"},
            "--epochs 12 --set supernet.weights=null",
        ),
    ],
    ids=["standalone", "given weights"],
)
def test_the_longer_training_is_that_of_what_the_run_trained(tmp_path, monkeypatch, changes, flags):
    monkeypatch.chdir(tmp_path)
    path = "results/tiny/first"
    assert longer_training(path, **changes) == f"--experiment {path}/experiment.yaml {flags}"


@pytest.mark.parametrize(
    ("path", "flags"),
    [
        ("results/tiny/first", ""),
        ("results/first", ""),
        ("elsewhere/tiny/first", " --results elsewhere"),
        ("elsewhere/first", " --results elsewhere"),
        ("tiny/first", " --results ."),
    ],
)
def test_the_longer_training_goes_where_the_run_is(tmp_path, monkeypatch, path, flags):
    monkeypatch.chdir(tmp_path)
    assert longer_training(path) == f"--experiment {path}/experiment.yaml{flags} --epochs 12"


def test_the_default_folder_of_results_is_known_by_its_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "--results" not in longer_training(tmp_path / "results" / "tiny" / "first")


@pytest.mark.slow
def test_a_run_in_which_nothing_keeps_the_limits_says_so(tmp_path, make_run):
    with pytest.raises(UserError, match="keeps the limits"):
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
