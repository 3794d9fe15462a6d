"""`transfer`: retrained networks as backbones for another task."""

import re

import pytest


@pytest.mark.slow
def test_fresh_backbones_need_no_retraining(run_command, finished_run):
    words = "--task segment --images 16 --compare none --seeds 1 --epochs 1 --device cpu --scratch"
    code, out, _ = run_command("transfer", finished_run, *words.split())
    assert code == 0
    assert "mIoU of segment" in out
    assert (finished_run / "transfer" / "segment" / "scratch" / "comparison.csv").is_file()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--task detct", "did you mean 'detect'"),
        ("--task segment:fnc", "did you mean 'fcn'"),
        ("--task classify", "classify needs a data set"),
        ("--task detect --recipe quick", "--recipe quick"),
    ],
)
def test_user_errors_are_one_line(run_command, finished_run, words, expected):
    code, out, err = run_command("transfer", finished_run, *words.split())
    assert code == 2
    assert expected in err.strip().splitlines()[-1]
    assert "Traceback" not in out + err


def retrain_command(error):
    return re.search("train them by: ean-search (.*)", error).group(1).split()


@pytest.mark.slow
def test_what_is_missing_is_named_with_the_command_that_trains_it(run_command, finished_run):
    words = ["--placement", "1-0-0-0", "--epochs", 1, "--device", "cpu"]
    assert run_command("retrain", finished_run, *words, "--batch-size", 32)[0] == 0
    task = ["--task", "segment", "--images", 16, *words]
    code, _, err = run_command("transfer", finished_run, *task)
    assert code == 2
    assert "not retrained yet: none (0-0-0-0) with seed 0; all (1-1-1-1) with seed 0" in err
    code, _, err = run_command(*retrain_command(err), "--device", "cpu")
    assert code == 0, err
    code, out, _ = run_command("transfer", finished_run, *task)
    assert code == 0
    assert "backbones retrained by the recipe of the run; seeds 0" in out

    code, _, err = run_command("transfer", finished_run, *task, "--seeds", 2)
    assert "1-0-0-0 with seed 1; none (0-0-0-0) with seed 1" in err
    assert retrain_command(err)[-6:] == "--seed 1 --epochs 1 --batch-size 32".split()
    assert run_command(*retrain_command(err), "--device", "cpu")[0] == 0
    code, out, _ = run_command("transfer", finished_run, *task)
    assert code == 0
    assert "; seeds 0, 1" in out
    assert "2 seeds" in out


@pytest.mark.slow
def test_the_recipe_is_that_of_the_retrainings(run_command, finished_run):
    words = "--placement 0-0-1-0 --recipe quick --epochs 1 --device cpu --compare none --seed 3"
    assert run_command("retrain", finished_run, *words.split())[0] == 0
    words = "--placement 0-0-1-0 --epochs 1 --device cpu --compare none --images 16 --task segment"
    code, out, _ = run_command("transfer", finished_run, *words.split())
    assert code == 0
    assert "backbones retrained by quick; seeds 3" in out
    assert (finished_run / "transfer" / "segment" / "quick" / "comparison.csv").is_file()
