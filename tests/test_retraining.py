import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from ean_search.experiment import load_experiment
from ean_search.lookup import UserError
from ean_search.retraining import retrain
from ean_search.run import do_run, start_run
from tests.test_run import SMALL

SHORT = {"retrain.epochs": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = start_run(load_experiment(None, SMALL), tmp_path_factory.mktemp("results") / "run")
    do_run(run)
    return run


def test_retraining_tests_the_pruned_network_once(run):
    metrics = retrain(run, run.find("1-0-0-0"), SHORT)
    folder = run.path / "retrain" / "1-0-0-0-seed0"
    assert json.loads((folder / "metrics.json").read_text()) | {"folder": str(folder)} == metrics
    assert metrics["test_images"] == 200
    assert 0 <= metrics["test_accuracy"] <= 1
    weights = load_file(folder / "model.safetensors")
    assert any("layer1.0.se" in key for key in weights)
    assert not any("layer2.0.se" in key for key in weights)
    learnt = [w for k, w in weights.items() if k.endswith(("weight", "bias"))]
    assert sum(w.numel() for w in learnt) == metrics["params"]


def test_a_finished_training_is_not_overwritten(run):
    retrain(run, run.find("none"), SHORT)
    with pytest.raises(UserError, match="holds a finished training"):
        retrain(run, run.find("none"), SHORT)
    other = retrain(run, run.find("none"), SHORT | {"seed": 1})
    assert other["folder"].endswith("seed1")


def test_training_that_was_stopped_goes_on(run):
    changes = {"retrain.epochs": 2, "seed": 3}

    def progress(task, done, total, detail=""):
        if "epoch 2/" in detail:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrain(run, run.find("all"), changes, progress)
    resumed = retrain(run, run.find("all"), changes)
    Path(resumed["folder"]).rename(run.path / "resumed")
    assert retrain(run, run.find("all"), changes) == resumed
