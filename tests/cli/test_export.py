"""The commands `export` and `prune` on a network that was retrained."""

import json
import shutil

import pytest
from safetensors.torch import load_file

from ean_search.analysis.run_folder import Run
from ean_search.data.datasets import DataSource
from ean_search.retrain.checkpoint import open_checkpoint
from ean_search.retrain.retrain import retrain_placement
from ean_search.utils.config import parse_fields
from tests.helpers import describe_training, write_checkpoint

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


@pytest.mark.slow
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


def write_wrong(network, trained, path):
    """A format that writes nothing, and computes other logits."""
    return lambda images: network(images) + 1


WRONG = f"{__name__}:write_wrong"


@pytest.mark.slow
def test_a_format_that_fails_does_not_stop_the_others(run_command, trained, tmp_path):
    words = ["--format", f"{WRONG},safetensors,onx", "--output", tmp_path / "a"]
    code, out, err = run_command("export", trained.path, *words)
    assert code == 2
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["model.safetensors"]
    assert "model.safetensors: loaded back, logits differ by at most 0.0e+00" in out
    assert "top-1 agrees on 32 of 32 search images" in out
    wrong, unknown, summary = err.strip().splitlines()
    assert "write_wrong is not the network: its logits differ by at most 1.0e+00" in wrong
    assert "did you mean 'onnx'" in unknown
    assert summary == f"ean-search: 2 of 3 formats failed: {WRONG}, onx"


@pytest.mark.slow
def test_retrain_exports_alike(run_command, short_run, monkeypatch):
    words = ["retrain", short_run.path, "--placement", "0-1-0-1", "--recipe", "quick"]
    words += ["--epochs", 1, "--device", "cpu", "--export", f"{WRONG}, safetensors"]
    code, out, err = run_command(*words)
    assert code == 2
    assert "test images" not in out  # the formats are tried before the training
    assert f"1 of 2 formats failed: {WRONG}" in err

    monkeypatch.setattr("ean_search.retrain.export.check_export", lambda trained, form: None)
    code, out, err = run_command(*words)
    assert code == 2
    assert "test images" in out
    assert "model.safetensors: loaded back, logits differ by at most" in out
    assert "is not the network" in err


@pytest.fixture
def bare_run(short_run, tmp_path):
    """Copy a run without what was retrained in it."""
    shutil.copytree(short_run.path, tmp_path / "run", ignore=shutil.ignore_patterns("retrain"))
    return Run(tmp_path / "run")


def pretend_to_retrain(run, placement, seed=0):
    source = parse_fields(DataSource, run.fields["data"], "data")
    description = describe_training(placement=placement, data=source, seed=seed)
    return write_checkpoint(run.retrain_folder() / f"{placement}-seed{seed}", description)


@pytest.mark.slow
def test_the_only_retrained_placement_is_exported(run_command, bare_run, caplog):
    pretend_to_retrain(bare_run, "1-1-0-0", seed=3)
    pretend_to_retrain(bare_run, "1-1-0-0", seed=1)
    code, out, _ = run_command("export", bare_run.path, "--format", "safetensors")
    assert code == 0
    assert "1-1-0-0-seed1/export/model.safetensors: loaded back" in out
    assert "1-1-0-0 is the only placement that is retrained" in caplog.text
    code, out, _ = run_command("prune", bare_run.path, "--threshold", 0)
    assert code == 0
    assert "1-1-0-0 -> 1-1-0-0" in out


@pytest.mark.slow
@pytest.mark.parametrize("command", ["export", "prune"])
def test_of_several_retrained_placements_one_is_to_be_named(run_command, bare_run, command):
    for placement in ("1-1-0-0", "0-0-0-0", "1-1-1-1"):
        pretend_to_retrain(bare_run, placement)
    code, _, err = run_command(command, bare_run.path)
    assert code == 2
    line = err.strip().splitlines()[-1]
    assert "has 3 retrained placements: 0-0-0-0 (" in line
    assert "none), 1-1-0-0" in line
    assert "name one, such as --placement 0-0-0-0" in line
    code, out, _ = run_command("export", bare_run.path, "--placement", "all",
                               "--format", "safetensors")  # fmt: skip
    assert code == 0
    assert "1-1-1-1-seed0" in out


def test_without_a_retrained_placement_the_command_for_the_best_is_given(run_command, bare_run):
    best = bare_run.find("best")
    for command in ("export", "prune"):
        code, _, err = run_command(command, bare_run.path)
        assert code == 2
        expected = f"ean-search retrain {bare_run.path} --placement {best}"
        assert err.strip().splitlines()[-1].endswith(expected)
