"""Whole runs, small: what they leave behind, and that stopping them anywhere changes nothing."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch

from ean_search.analysis.run_folder import load_run
from ean_search.runs.experiment import load_experiment
from ean_search.runs.pipeline import do_run, start_run
from ean_search.utils.device import find_device
from ean_search.utils.errors import UserError
from tests.utils.test_tensorboard import read as read_scalars

SMALL = {
    "space": {"base": "tiny"},
    "data.options": {"train": 1200, "test": 200},
    "data.search_per_class": 20,
    "supernet.recipe.epochs": 1,
    "search.searcher": "reinforce",  # which has an entropy to report, and learns from the start
    "search.budget": 12,
    "device": "cpu",
}


def make_run(path, **changes):
    run = start_run(load_experiment(None, SMALL | changes), path)
    do_run(run)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("results") / "run")


def history(run):
    trials = [json.loads(line) for line in run.trials_file.read_text().splitlines()]
    return [trial | {"seconds": 0} for trial in trials]


def test_a_run_leaves_everything_it_was_made_with_and_found(run):
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        *("experiment.yaml", "provenance.json", "costs.json", "supernet.safetensors"),
        *("trials.jsonl", "front.csv", "front.png", "summary.json", "tensorboard"),
    }
    made = json.loads(run.provenance_file.read_text())
    assert {"python", "packages", "hardware", "git"} <= made.keys()
    assert run.front_picture.read_bytes()[:4] == b"\x89PNG"


def test_its_frame_has_a_row_a_trial_and_a_column_a_site(run):
    frame = run.frame()
    assert len(frame) == 12
    assert list(frame.note[:3]) == ["none", "all", "every-other"]
    assert (frame[[f"site{i}" for i in range(4)]].gt(0).sum(axis=1) == frame.sites).all()
    assert frame.placement.is_unique


def test_its_front_and_summary_agree_with_its_trials(run):
    front, summary = pd.read_csv(run.front_table), json.loads(run.summary_file.read_text())
    assert front.accuracy.is_monotonic_increasing
    assert front.latency_ms.is_monotonic_increasing
    assert len(front) == len(run.front()) == len(summary["front"])
    comparison = summary["comparison"]
    assert set(comparison) == {"best", "knee", "none", "all", "random"}
    accuracy = run.frame().set_index("placement").accuracy
    for name in ("best", "knee", "none", "all"):
        row = comparison[name]
        assert accuracy[row["placement"]] == row["accuracy"]
    assert comparison["random"]["sites"] == comparison["best"]["sites"]
    assert run.find("best") == run.space.parse(comparison["best"]["placement"])


def test_tensorboard_finds_what_it_reported(run):
    tags = {
        tag
        for task in ("supernet", "search")
        for tag in read_scalars(run.tensorboard_folder / task)
    }
    search = ("accuracy", "reward", "best_reward", "entropy", "hypervolume")
    assert tags >= {"supernet/loss", "supernet/lr", *(f"search/{name}" for name in search)}
    reached = dict(read_scalars(run.tensorboard_folder / "search")["search/hypervolume"])
    summary = json.loads(run.summary_file.read_text())
    assert reached[12] == pytest.approx(summary["hypervolume"], rel=1e-5)


def test_an_existing_folder_is_refused_with_the_command_that_continues_it(run):
    before = run.trials_file.read_bytes()
    with pytest.raises(UserError, match=f"ean-search resume {run.path}"):
        make_run(run.path)
    assert run.trials_file.read_bytes() == before


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="is not a run"):
        make_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_same_seed_gives_the_same_run_and_another_does_not(run, tmp_path):
    same, other = make_run(tmp_path / "same"), make_run(tmp_path / "other", seed=1)
    costs = run.costs_file.read_bytes()
    assert same.costs_file.read_bytes() == costs
    assert history(same) == history(run)
    assert history(other) != history(run)


def test_a_given_supernet_is_used_and_kept(run, tmp_path):
    again = make_run(tmp_path / "again", **{"supernet.weights": str(run.supernet_file)})
    assert history(again) == history(run)
    assert again.supernet_file.read_bytes() == run.supernet_file.read_bytes()


def test_limits_hold_for_what_a_run_finds(tmp_path):
    run = make_run(tmp_path / "run", **{"search.limits": "sites <= 1"})
    assert run.front().sites.max() <= 1
    assert run.find("best").attached <= 1
    assert run.frame().query("note == 'all'").status.tolist() == ["infeasible"]


def test_other_folders_are_not_runs(tmp_path):
    with pytest.raises(UserError, match="is not a run folder"):
        load_run(tmp_path)


def test_devices_that_are_not_there_are_refused():
    assert find_device("auto") in ("cpu", "cuda")
    missing = "cuda:99" if torch.cuda.is_available() else "cuda"
    with pytest.raises(UserError, match="no device"):
        find_device(missing)


def start(path):
    code = (
        "import sys; from pathlib import Path; from ean_search.analysis.run_folder import load_run;"
        "from ean_search.runs.pipeline import do_run; print('go', flush=True);"
        "do_run(load_run(sys.argv[1]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def test_killing_a_run_at_any_moment_changes_nothing(run, tmp_path):
    """Kill as `kill -9` does, after delays that fall into every stage."""
    stopped = start_run(load_experiment(None, SMALL), tmp_path / "run")
    delays = random.Random(0)
    for _ in range(4):
        process = start(stopped.path)
        process.stdout.readline()
        time.sleep(delays.uniform(0.2, 3.0))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    do_run(stopped)
    assert history(stopped) == history(run)
    assert stopped.front_table.is_file()


@pytest.mark.parametrize("stage", ["make_shared", "run_search", "conclude"])
def test_stopping_between_stages_changes_nothing(run, tmp_path, monkeypatch, stage):
    stopped = start_run(load_experiment(None, SMALL), tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(f"ean_search.runs.pipeline.{stage}", stop)
        with pytest.raises(KeyboardInterrupt):
            do_run(stopped)
    do_run(stopped)
    assert history(stopped) == history(run)


def stop(*_, **__):
    raise KeyboardInterrupt


def test_a_torn_line_is_evaluated_again(run, tmp_path):
    torn = make_run(tmp_path / "run")
    torn.trials_file.write_bytes(torn.trials_file.read_bytes()[:-40])
    do_run(torn)
    assert history(torn) == history(run)
