"""Which evaluator an experiment gets, here and with workers; small runs of the other kinds."""

import json
import subprocess
import sys

import pytest
import torch

from ean_search.data.datasets import Data
from ean_search.data.splits import TensorSplit
from ean_search.distributed.config import Workers
from ean_search.runs.evaluator_factory import calibration_images, resolve_workers
from ean_search.runs.experiment import load_experiment
from ean_search.runs.pipeline import do_run, start_run
from ean_search.utils.errors import UserError

SMALL = {
    "space": {"base": "tiny"},
    "data.options": {"train": 600, "test": 100},
    "data.search_per_class": 10,
    "supernet.recipe.epochs": 1,
    "standalone.epochs": 1,
    "search.budget": 6,
    "device": "cpu",
}


def make_run(path, workers=None, **changes):
    run = start_run(load_experiment(None, SMALL | changes), path)
    do_run(run, workers=workers)
    return run


def history(path):
    trials = [json.loads(line) for line in path.read_text().splitlines()]
    return [(t["placement"], t["accuracy"], t["status"], t["note"]) for t in trials]


def test_images_for_calibration_are_of_all_classes_even_if_the_data_are_sorted():
    labels = torch.arange(10).repeat_interleave(100)
    train = TensorSplit(labels.float()[:, None, None, None].expand(-1, 3, 8, 8), labels)
    data = Data("sorted", 10, 8, train, train, train, train)
    images = calibration_images(data, 64)
    assert images.shape == (64, 3, 8, 8)
    assert len(images[:, 0, 0, 0].unique()) == 10
    assert torch.equal(images, calibration_images(data, 64))
    assert calibration_images(data, 0) is None


@pytest.fixture(scope="module")
def verified(tmp_path_factory, one_thread):
    return make_run(tmp_path_factory.mktemp("runs") / "run", **{"search.verify": 2})


def test_the_best_are_trained_alone_and_ranked_again(verified):
    summary = json.loads(verified.summary.read_text())
    assert [row["placement"] for row in summary["verified"]] == [
        str(trial.placement) for trial in verified.read_verified()
    ]
    rewards = [row["reward"] for row in summary["verified"]]
    assert rewards == sorted(rewards, reverse=True)
    assert str(verified.find("verified")) == summary["verified"][0]["placement"]
    assert summary["next"][1].endswith("--placement verified")


def test_verification_goes_on_where_it_was_stopped(verified):
    before = history(verified.verified_file)
    lines = verified.verified.read_text().splitlines(keepends=True)
    verified.verified.write_text(lines[0])
    do_run(verified)
    assert history(verified.verified_file) == before


def test_a_run_may_train_every_placement_by_itself(tmp_path, one_thread):
    run = make_run(tmp_path / "run", **{"search.evaluator": "standalone", "search.budget": 5})
    assert not run.supernet_file.exists()
    assert len(run.frame()) == 5
    assert not (run.path / "training").exists()


def test_a_run_with_workers_finds_what_one_without_does(verified, tmp_path, ray_here):
    run = make_run(tmp_path / "run", Workers(count=2, cpus=1), **{"search.verify": 2})
    assert history(run.trials_file) == history(verified.trials_file)
    assert history(run.verified_file) == history(verified.verified_file)


@pytest.mark.parametrize("field", [{"search.racing": True}, {"search.verify": 2}])
def test_what_needs_shared_weights_is_refused_without(field):
    with pytest.raises(UserError, match="shared weights"):
        load_experiment(None, SMALL | {"search.evaluator": "standalone"} | field)


def test_workers_are_nobodys_default_on_a_single_device(monkeypatch):
    assert resolve_workers(None, "cpu") is None
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_workers(None, "cuda") is None
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert resolve_workers(None, "cuda") == Workers(count=4, gpus=1.0)
    assert resolve_workers(None, "cuda:1") is None
    assert resolve_workers(Workers(count=8), "cuda").gpus == 0.5
    assert resolve_workers(Workers(count=8, gpus=0.25), "cuda").gpus == 0.25


def test_runs_in_one_process_do_not_import_ray():
    code = "import ean_search.runs.pipeline, ean_search.retrain.retrain, sys; "
    code += "print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
