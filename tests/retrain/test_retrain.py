"""Retraining: its results, its folders, and that an interruption changes nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ean_search.attention.unit_gate import UnitGate
from ean_search.core.space import load_space
from ean_search.networks.builder import build, prune
from ean_search.networks.pretrained import load_backbone, with_unit_gates
from ean_search.retrain.checkpoint import open_checkpoint
from ean_search.retrain.retrain import plan_retraining, retrain_placement
from ean_search.runs.experiment import load_experiment
from ean_search.runs.pipeline import start_run
from ean_search.utils.errors import UserError
from ean_search.utils.files import save_weights
from tests.helpers import SMALL_EXPERIMENT, read_scalars

ONE_EPOCH = {"retrain.epochs": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Start a run; retraining needs its experiment only."""
    path = tmp_path_factory.mktemp("results") / "run"
    return start_run(load_experiment(None, SMALL_EXPERIMENT), path)


@pytest.fixture
def empty_run(tmp_path):
    return start_run(load_experiment(None, SMALL_EXPERIMENT), tmp_path / "run")


@pytest.mark.slow
def test_retraining_tests_the_pruned_network_once(run):
    metrics = retrain_placement(run, run.find("1-0-0-0"), ONE_EPOCH)
    folder = run.path / "retrain" / "1-0-0-0-seed0"
    assert json.loads((folder / "metrics.json").read_text()) | {"folder": str(folder)} == metrics
    assert metrics["test_images"] == 200
    assert 0 <= metrics["test_accuracy"] <= 1
    weights = load_file(folder / "model.safetensors")
    assert any("layer1.0.se" in key for key in weights)
    assert not any("layer2.0.se" in key for key in weights)
    learnt = [w for k, w in weights.items() if k.endswith(("weight", "bias"))]
    assert sum(w.numel() for w in learnt) == metrics["params"]


@pytest.mark.slow
def test_a_finished_training_is_read_and_not_overwritten(run):
    metrics = retrain_placement(run, run.find("none"), ONE_EPOCH)
    file = Path(metrics["folder"], "model.safetensors")
    before = file.stat().st_mtime_ns
    assert retrain_placement(run, run.find("none"), ONE_EPOCH) == metrics
    assert file.stat().st_mtime_ns == before
    other = retrain_placement(run, run.find("none"), ONE_EPOCH | {"seed": 1})
    assert other["folder"].endswith("seed1")


@pytest.mark.slow
def test_a_placement_may_be_given_by_its_text_or_its_name(run):
    changes = ONE_EPOCH | {"seed": 20}
    metrics = retrain_placement(run, "0-0-0-0", changes)
    assert metrics["placement"] == "0-0-0-0"
    for same in ("none", run.find("none")):
        assert retrain_placement(str(run.path), same, changes) == metrics


def test_the_best_placement_is_that_of_the_search(short_run):
    metrics = retrain_placement(short_run, "best", ONE_EPOCH | {"seed": 21})
    assert metrics["placement"] == str(short_run.find("best"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("placement", "changes", "words"),
    [
        ("1-0-0", {}, "1-0-0"),
        ("al", {}, "al"),
        ("all", {"device": "cuda:99"}, "no device"),
        ("all", {"retrain.epoch": 1}, "did you mean 'retrain.epochs'"),
        ("all", {"retrain.lr": 1e30, "retrain.epochs": 1}, "the loss became"),
        (load_space("resnet26_small").named["all"], {}, "expected a placement of 4 sites"),
    ],
)
def test_a_call_that_fails_leaves_no_folder(empty_run, placement, changes, words):
    before = sorted(empty_run.path.rglob("*"))
    with pytest.raises(UserError, match=words):
        retrain_placement(empty_run, placement, {"device": "cpu"} | changes)
    assert sorted(empty_run.path.rglob("*")) == before


@pytest.mark.parametrize("start", [{"recipe": "quik"}, {"pretrained": "nowhere.pt"}])
def test_an_unknown_start_leaves_no_folder(empty_run, start):
    before = sorted(empty_run.path.rglob("*"))
    with pytest.raises(UserError, match=r"quick|nowhere\.pt"):
        retrain_placement(empty_run, "all", ONE_EPOCH, **start)
    assert sorted(empty_run.path.rglob("*")) == before


@pytest.mark.slow
def test_a_call_that_fails_leaves_finished_trainings_alone(empty_run):
    folder = Path(retrain_placement(empty_run, "none", ONE_EPOCH)["folder"])
    before = sorted(empty_run.path.rglob("*"))
    with pytest.raises(UserError, match="the loss became"):
        retrain_placement(empty_run, "all", ONE_EPOCH | {"retrain.lr": 1e30})
    with pytest.raises(UserError, match="other settings"):
        plan_retraining(empty_run, {"retrain.epochs": 2}).train(empty_run.find("none"), 0)
    assert sorted(empty_run.path.rglob("*")) == before
    assert open_checkpoint(folder).is_finished


@pytest.mark.slow
def test_training_that_was_stopped_goes_on(run):
    changes = {"retrain.epochs": 2, "seed": 3}

    def progress(task, done, total, detail=""):
        if "epoch 2/" in detail:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrain_placement(run, run.find("all"), changes, progress)
    resumed = retrain_placement(run, run.find("all"), changes)
    Path(resumed["folder"]).rename(run.path / "resumed")
    assert retrain_placement(run, run.find("all"), changes) == resumed


SIX_EPOCHS = ONE_EPOCH | {
    "retrain.epochs": 6,
    "retrain.mixup": 0.2,
    "retrain.ema": 0.9,
    "device": "cpu",
}
TRAIN_SCRIPT = """
import json, sys
from ean_search.analysis.run_folder import load_run
from ean_search.retrain.retrain import plan_retraining
run = load_run(sys.argv[1])
plan = plan_retraining(run, json.loads(sys.argv[2]))
plan.train(run.find("all"), 11, lambda *_: print("step", flush=True))
"""


@pytest.mark.slow
def test_killing_a_retraining_changes_nothing(run):
    """Kill as `kill -9` does, soon after a training went on."""
    plan = plan_retraining(run, SIX_EPOCHS)
    for reports in (4, 2):
        words = [sys.executable, "-c", TRAIN_SCRIPT, str(run.path), json.dumps(SIX_EPOCHS)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(reports):
            process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
    resumed = plan.train(run.find("all"), 11)
    Path(resumed["folder"]).rename(run.path / "killed")
    assert plan.train(run.find("all"), 11) == resumed


@pytest.mark.slow
def test_a_recipe_has_folders_of_its_own(run):
    metrics = retrain_placement(run, run.find("none"), ONE_EPOCH, recipe="quick")
    assert metrics["folder"] == str(run.path / "retrain" / "quick" / "0-0-0-0-seed0")
    assert metrics["recipe"]["epochs"] == 1


@pytest.mark.slow
def test_a_folder_is_not_taken_for_another_training(run):
    plan = plan_retraining(run, ONE_EPOCH | {"seed": 7})
    plan.train(run.find("none"), 7)
    other = plan_retraining(run, {"retrain.epochs": 2, "seed": 7})
    with pytest.raises(UserError, match=r"other settings, .*: recipe.epochs was 1, not 2"):
        other.train(run.find("none"), 7)
    moved = plan_retraining(run, ONE_EPOCH | {"data.workers": 1})
    assert moved.train(run.find("none"), 7)["seed"] == 7


def test_training_can_start_from_a_backbones_weights(run, tmp_path, images):
    plain = plan_retraining(run, ONE_EPOCH)
    source = tmp_path / "plain.safetensors"
    network = plain.network(run.find("none"), 3)
    save_weights(network, source)
    plan = plan_retraining(run, ONE_EPOCH, pretrained=str(source))
    started = plan.network(run.find("all"), 9).eval()
    gates = [module for module in started.modules() if isinstance(module, UnitGate)]
    assert len(gates) == run.space.sites
    difference = (started(images) - network.eval()(images)).abs().max()
    for gate in gates:
        gate.register_forward_hook(lambda *_: torch.ones(()))
    # SE's gates have a mean of 1 but are not 1: they alone part the logits from the backbone's.
    assert torch.equal(started(images), network(images))
    assert difference > 0
    assert plan.checkpoint(run.find("all"), 9).path.parent.name == "pretrained"


def test_added_branches_leave_a_pretrained_backbone_as_it_is(tmp_path):
    space = load_space("resnet26_small", attention="mrla_light", unit_gate=False)
    plain = prune(build(space, seed=3), space.named["none"]).eval()
    save_weights(plain, tmp_path / "plain.safetensors")
    network = build(space, seed=4)
    load_backbone(network, space, str(tmp_path / "plain.safetensors"))
    image = torch.randn(2, 3, 32, 32)
    started = prune(network, space.named["all"]).eval()
    assert torch.equal(started(image), plain(image))
    assert not with_unit_gates(space).unit_gate


@pytest.mark.slow
def test_tensorboard_gets_the_curves_of_each_recipe(empty_run):
    for recipe in (None, "quick"):
        retrain_placement(empty_run, "none", ONE_EPOCH | {"seed": 3}, recipe=recipe)
    root = empty_run.tensorboard_folder
    folders = [root / "retrain", root / "retrain/quick"]
    assert [empty_run.retrain_tensorboard_folder(name) for name in (None, "quick")] == folders
    for folder in folders:
        scalars = read_scalars(folder / "retraining_0-0-0-0,_seed_3")
        assert any(name.endswith("/loss") for name in scalars)
