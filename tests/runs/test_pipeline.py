"""Whole runs, small: the files that they leave, and that an interruption changes nothing."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from ean_search.analysis.run_folder import load_run
from ean_search.distributed.config import Workers
from ean_search.runs.experiment import load_experiment
from ean_search.runs.pipeline import do_run, start_run
from ean_search.runs.summary import next_commands
from ean_search.utils.device import find_device
from ean_search.utils.errors import UserError
from tests.helpers import SMALL_EXPERIMENT, read_scalars

VERIFIED = {
    "data.options": {"train": 600, "test": 100},
    "data.search_per_class": 10,
    "standalone.epochs": 1,
    "search.searcher": "surrogate",
    "search.budget": 6,
    "search.verify": 2,
}


def test_a_run_leaves_its_settings_and_its_results(small_run):
    names = {path.name for path in small_run.path.iterdir()}
    assert names == {
        "experiment.yaml",
        "provenance.json",
        "costs.json",
        "supernet.safetensors",
        "trials.jsonl",
        "trials.answers.jsonl",
        "judged.answers.jsonl",
        "front.csv",
        "front.png",
        "summary.json",
        "tensorboard",
    }
    provenance = json.loads(small_run.provenance_file.read_text())
    assert {"python", "packages", "hardware", "git"} <= provenance.keys()
    assert small_run.front_picture.read_bytes()[:4] == b"\x89PNG"


def test_its_frame_has_one_row_per_trial_and_one_column_per_site(small_run):
    frame = small_run.frame()
    assert len(frame) == 12
    assert list(frame.note[:3]) == ["none", "all", "every-other"]
    assert (frame[[f"site{i}" for i in range(4)]].gt(0).sum(axis=1) == frame.sites).all()
    assert frame.placement.is_unique


def test_tensorboard_has_the_scalars_of_training_and_search(small_run):
    tags = {
        tag
        for task in ("supernet", "search")
        for tag in read_scalars(small_run.tensorboard_folder / task)
    }
    search = ("accuracy", "reward", "best_reward", "entropy", "hypervolume")
    assert tags >= {"supernet/loss", "supernet/lr", *(f"search/{name}" for name in search)}
    hypervolumes = dict(read_scalars(small_run.tensorboard_folder / "search")["search/hypervolume"])
    summary = json.loads(small_run.summary_file.read_text())
    assert hypervolumes[12] == pytest.approx(summary["hypervolume"], rel=1e-5)


def test_a_path_may_be_text(tmp_path):
    experiment = load_experiment(None, SMALL_EXPERIMENT)
    run = start_run(experiment, str(tmp_path / "run"))
    assert run.path == tmp_path / "run"
    assert load_run(str(run.path)).experiment_file.is_file()
    assert load_run(run) is run
    again = start_run(str(run.experiment_file), str(tmp_path / "other"))
    assert again.experiment_file.read_text() == run.experiment_file.read_text()
    with pytest.raises(UserError, match="is not a run folder"):
        do_run(str(tmp_path))


def test_a_start_that_was_interrupted_can_be_repeated(tmp_path):
    experiment = load_experiment(None, SMALL_EXPERIMENT)
    run = start_run(experiment, tmp_path / "run")
    run.experiment_file.unlink()
    assert start_run(experiment, tmp_path / "run").experiment_file.is_file()


def test_an_existing_folder_is_refused_with_the_command_that_continues_it(small_run, make_run):
    before = small_run.trials_file.read_bytes()
    with pytest.raises(UserError, match=f"ean-search resume {small_run.path}"):
        make_run(small_run.path)
    assert small_run.trials_file.read_bytes() == before


def test_a_folder_with_other_files_is_left_alone(tmp_path, make_run):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="is not a run"):
        make_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run_and_another_does_not(
    small_run, tmp_path, make_run, read_history
):
    same, other = make_run(tmp_path / "same"), make_run(tmp_path / "other", {"seed": 1})
    assert same.costs_file.read_bytes() == small_run.costs_file.read_bytes()
    assert read_history(same.trials_file) == read_history(small_run.trials_file)
    assert read_history(other.trials_file) != read_history(small_run.trials_file)


@pytest.mark.slow
def test_the_weights_of_another_run_can_be_used(small_run, tmp_path, make_run, read_history):
    again = make_run(tmp_path / "again", {"supernet.weights": str(small_run.supernet_file)})
    assert read_history(again.trials_file) == read_history(small_run.trials_file)
    assert again.supernet_file.read_bytes() == small_run.supernet_file.read_bytes()


@pytest.mark.slow
def test_the_placements_that_a_run_finds_keep_its_limits(tmp_path, make_run):
    run = make_run(tmp_path / "run", {"search.limits": "sites <= 1"})
    assert run.front().sites.max() <= 1
    assert run.find("best").attached <= 1
    assert run.frame().query("note == 'all'").status.tolist() == ["infeasible"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"search.options": {"no_such": 1}}, "no_such"),
        ({"search.limits": "sites < 2x"}, "without an x"),
    ],
)
def test_errors_in_the_search_show_before_any_training(tmp_path, make_run, changes, words):
    with pytest.raises(UserError, match=words):
        make_run(tmp_path / "run", changes)
    assert not (tmp_path / "run" / "supernet.safetensors").exists()


def test_other_folders_are_not_runs(tmp_path):
    with pytest.raises(UserError, match="is not a run folder"):
        load_run(tmp_path)


def test_devices_that_are_not_there_are_refused():
    assert find_device("auto") in ("cpu", "cuda")
    missing = "cuda:99" if torch.cuda.is_available() else "cuda"
    with pytest.raises(UserError, match="no device"):
        find_device(missing)


def start_process(path):
    code = (
        "import sys; from ean_search.analysis.run_folder import load_run;"
        "from ean_search.runs.pipeline import do_run; print('go', flush=True);"
        "do_run(load_run(sys.argv[1]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


@pytest.mark.slow
def test_killing_a_run_at_any_moment_changes_nothing(small_run, tmp_path, read_history):
    """Kill as `kill -9` does, after delays that fall into every stage."""
    killed = start_run(load_experiment(None, SMALL_EXPERIMENT), tmp_path / "run")
    delays = random.Random(0)
    for _ in range(4):
        process = start_process(killed.path)
        process.stdout.readline()
        time.sleep(delays.uniform(0.2, 3.0))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    do_run(killed)
    assert read_history(killed.trials_file) == read_history(small_run.trials_file)
    assert killed.front_table.is_file()


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["make_shared_evaluator", "run_search", "conclude"])
def test_stopping_between_stages_changes_nothing(
    small_run, tmp_path, monkeypatch, read_history, stage
):
    stopped = start_run(load_experiment(None, SMALL_EXPERIMENT), tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(f"ean_search.runs.pipeline.{stage}", interrupt)
        with pytest.raises(KeyboardInterrupt):
            do_run(stopped)
    do_run(stopped)
    assert read_history(stopped.trials_file) == read_history(small_run.trials_file)


@pytest.mark.slow
def test_a_torn_line_is_evaluated_again(small_run, tmp_path, make_run, read_history):
    torn = make_run(tmp_path / "run")
    torn.trials_file.write_bytes(torn.trials_file.read_bytes()[:-40])
    do_run(torn)
    assert read_history(torn.trials_file) == read_history(small_run.trials_file)


@pytest.fixture(scope="module")
def verified_run(tmp_path_factory, make_run, one_thread):
    return make_run(tmp_path_factory.mktemp("runs") / "run", VERIFIED)


@pytest.mark.slow
def test_the_best_are_trained_stand_alone_and_ranked_again(verified_run):
    summary = json.loads(verified_run.summary_file.read_text())
    assert [row["placement"] for row in summary["verified"]] == [
        str(trial.placement) for trial in verified_run.read_verified()
    ]
    rewards = [row["reward"] for row in summary["verified"]]
    assert rewards == sorted(rewards, reverse=True)
    assert str(verified_run.find("verified")) == summary["verified"][0]["placement"]
    assert next_commands(verified_run)[1].endswith("--placement verified")


@pytest.mark.slow
def test_verification_goes_on_after_an_interruption(verified_run, read_history):
    before = read_history(verified_run.verified_file)
    lines = verified_run.verified_file.read_text().splitlines(keepends=True)
    verified_run.verified_file.write_text(lines[0])
    do_run(verified_run)
    assert read_history(verified_run.verified_file) == before


@pytest.mark.slow
def test_a_run_may_train_every_placement_stand_alone(tmp_path, make_run, one_thread):
    changes = {"search.evaluator": "standalone", "search.budget": 5, "search.verify": 0}
    run = make_run(tmp_path / "run", VERIFIED | changes)
    assert not run.supernet_file.exists()
    assert len(run.frame()) == 5
    assert not run.checkpoints_folder.exists()


@pytest.mark.slow
def test_a_run_with_workers_finds_what_one_without_does(
    verified_run, tmp_path, make_run, read_history, ray_here
):
    run = make_run(tmp_path / "run", VERIFIED, Workers(count=2, cpus=1))
    assert read_history(run.trials_file) == read_history(verified_run.trials_file)
    assert read_history(run.verified_file) == read_history(verified_run.verified_file)
