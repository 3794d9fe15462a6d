"""The commands `export` and `prune` on a network that was retrained."""

import json

import pytest
from safetensors.torch import load_file

from ean_search.retrain.checkpoint import open_checkpoint
from ean_search.retrain.retrain import retrain_placement

WORDS = ("--placement", "1-0-1-1", "--recipe", "quick")


@pytest.fixture(scope="module")
def trained(short_run):
    changes = {"retrain.epochs": 1, "device": "cpu", "seed": 0}
    metrics = retrain_placement(short_run, "1-0-1-1", changes, recipe="quick")
    return open_checkpoint(metrics["folder"])


def prune(run_command, trained, source, *flags):
    """Prune with flags, and return the output, the description and the weights."""
    words = () if source == trained.path else WORDS
    code, out, _ = run_command("prune", source, *words, "--threshold", 0.5, *flags)
    assert code == 0
    folder = trained.pruned_folder
    description = json.loads(folder.description_file.read_text())
    return out, description, load_file(folder.weights_file)


def test_prune_does_the_same_with_and_without_the_flag(run_command, short_run, trained):
    out, description, weights = prune(run_command, trained, short_run.path)
    trained.pruned_folder.metrics_file.unlink()
    flag_out, flag_description, flag_weights = prune(run_command, trained, short_run.path, "--fold")
    assert "1-0-1-1 -> " in out
    assert out == flag_out
    assert description == flag_description
    assert description["folded_from"] == "1-0-1-1"
    assert weights.keys() == flag_weights.keys()
    assert all((weights[name] == flag_weights[name]).all() for name in weights)


def test_prune_opens_a_trainings_folder_too(run_command, trained):
    out, description, _ = prune(run_command, trained, trained.path)
    assert str(trained.pruned_folder.path) in out
    assert description["folded_from"] == "1-0-1-1"


def test_gates_beyond_the_threshold_are_kept(run_command, trained):
    code, out, _ = run_command("prune", trained.path, "--threshold", 0)
    assert code == 0
    assert "1-0-1-1 -> 1-0-1-1" in out
    assert "folded into" not in out


@pytest.mark.slow
def test_several_formats_are_written_to_a_folder(run_command, trained, tmp_path):
    words = ["export", trained.path, "--format", "safetensors, torch", "--output", tmp_path / "a"]
    code, out, _ = run_command(*words)
    assert code == 0
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"model.safetensors", "model.pt2"}
    assert out.count("logits differ by at most") == 2
