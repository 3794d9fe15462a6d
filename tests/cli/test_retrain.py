"""What comes after a run, as commands: each does a tiny real thing."""

import json
import re

import ean_search.models  # noqa: F401
import pandas as pd
import pytest
import timm
import torch

SHORT = ("--epochs", "1", "--device", "cpu")


@pytest.fixture
def folder(short_run):
    return short_run.path


@pytest.mark.slow
def test_retraining_prints_what_the_test_split_says(run_command, folder):
    words = ["retrain", folder, "--placement", "knee", "--epochs", 1, "--seed", 9]
    code, out, _ = run_command(*words)
    assert code == 0
    assert re.search(r"[01]-[01]-[01]-[01]: \d+\.\d\d % of 100 test images", out)


@pytest.mark.slow
def test_a_network_is_compared_exported_folded_and_transferred(run_command, folder):
    words = ["--placement", "1-0-0-1", "--recipe", "quick", *SHORT]
    code, out, _ = run_command(
        "retrain",
        folder,
        *words,
        "--seeds",
        2,
        "--compare",
        "none",
        "--export",
        "safetensors",
    )
    assert code == 0
    assert "2 seeds each, paired" in out
    assert re.search(r"none +0-0-0-0 +\d+\.\d\d", out)
    assert (
        folder / "retrain" / "quick" / "1-0-0-1-seed0" / "export" / "model.safetensors"
    ).is_file()
    assert list(pd.read_csv(folder / "retrain" / "quick" / "comparison.csv").seeds) == [2, 2]

    words = ["--placement", "1-0-0-1", "--recipe", "quick"]
    code, out, _ = run_command("export", folder, *words, "--format", "timm")
    assert code == 0
    path = re.search(r"(.*timm): loaded back", out).group(1)
    network = timm.create_model(f"local-dir:{path}", pretrained=True).eval()
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 10)

    code, out, _ = run_command("prune", folder, *words, "--fold", "--threshold", 0.5)
    assert code == 0
    assert re.search(r"1-0-0-1 -> [01]-0-0-[01], threshold 0.5: accuracy on 100 search images", out)
    folded = re.search(r"; (.*folded)", out).group(1)
    assert run_command("export", folded, "--format", "safetensors")[0] == 0
    trained = folder / "retrain" / "quick" / "1-0-0-1-seed0"
    code, _, err = run_command("export", trained, "--placement", "1-1-0-1")
    assert code == 2
    assert re.search(r"it lacks layer2.0.se\S+, .*trained with placement 1-0-0-1, read with", err)

    code, out, _ = run_command(
        "transfer", folder, *words, *("--task", "segment", "--images", 16),
        *("--compare", "none", "--seeds", 1, *SHORT),
    )  # fmt: skip
    assert code == 0
    assert "mIoU of segment" in out


@pytest.mark.slow
def test_scripts_read_events(run_command, folder):
    words = ["--placement", "1-0-0-1", "--recipe", "quick", *SHORT, "--seed", 5, "--json"]
    code, out, _ = run_command("retrain", folder, *words, "--export", "safetensors")
    events = {event["event"]: event for event in map(json.loads, out.splitlines())}
    assert code == 0
    assert events["progress"]["done"] == events["progress"]["total"]
    assert 0 <= events["retrained"]["test_accuracy"] <= 1
    assert events["exported"]["path"].endswith("model.safetensors")

    code, out, _ = run_command("retrain", folder, *words, "--compare", "none")
    event = json.loads(out.splitlines()[-1])
    assert code == 0
    assert [row["name"] for row in event["rows"]] == ["1-0-0-1", "none"]
    assert event["rows"][0]["deviation"] is None


def test_an_unfinished_run_offers_its_best_so_far(run_command, folder, caplog):
    summary = (folder / "summary.json").rename(folder / "kept.json")
    try:
        code, _, err = run_command("export", folder, "--recipe", "mine")
    finally:
        summary.rename(folder / "summary.json")
    assert code == 2
    assert "is not finished: best so far, of 12 trials" in caplog.text
    assert "is not retrained yet: ean-search retrain" in err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("retrain RUN --recipe ean-cifr", "did you mean 'ean-cifar'"),
        ("retrain RUN --export onx", "did you mean 'onnx'"),
        ("retrain RUN --pretrained nowhere.pt", "no pretrained weights at nowhere.pt"),
        ("retrain RUN --from nowhere.pt", "no pretrained weights at nowhere.pt"),
        ("retrain RUN --compare random:x", "expected random:N"),
        ("retrain RUN --set retrain.augment.auto=rand-m9", "for data in image files"),
        ("retrain RUN --set retrain.mixup=1 --set retrain.batch_size=9", "even batch_size"),
        ("retrain RUN --train-workers 0", "train_workers"),
        ("export nowhere", "is not a retrained network"),
        ("transfer RUN --task detct", "did you mean 'detect'"),
        ("transfer RUN --task detect --images 10", "not retrained yet"),
    ],
)
def test_user_errors_are_one_line(run_command, folder, words, expected):
    code, out, err = run_command(*words.replace("RUN", str(folder)).split())
    assert code == 2
    assert expected in err.strip().splitlines()[-1]
    assert "Traceback" not in out + err


@pytest.mark.slow
def test_a_finished_training_is_read_and_what_else_was_asked_is_done(run_command, folder, caplog):
    caplog.set_level("INFO")
    words = ["retrain", folder, "--placement", "0-1-1-0", "--seed", 30, *SHORT]
    words += ["--batch-size", 32, "--lr", 0.001]
    code, first, _ = run_command(*words)
    assert code == 0
    trained = folder / "retrain" / "0-1-1-0-seed30"
    recipe = json.loads((trained / "training.json").read_text())["recipe"]
    assert (recipe["batch_size"], recipe["lr"], recipe["epochs"]) == (32, 0.001, 1)
    code, out, _ = run_command(*words, "--export", "safetensors")
    assert code == 0
    assert "0-1-1-0-seed30 was trained already; another seed" in caplog.text
    assert first.strip() in out
    assert (trained / "export" / "model.safetensors").is_file()
