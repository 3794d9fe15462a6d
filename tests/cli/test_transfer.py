"""`transfer`: retrained networks as backbones for another task."""

import pytest


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
