"""What all commands have in common: errors of one line, exit codes."""

import subprocess
import sys

import pytest

from ean_search.cli.main import main


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("run", "expected --space NAME, --backbone NAME or --experiment"),
        ("run --space resnet50_shard", "did you mean 'resnet50_shared'"),
        ("run --space tiny --searcher reinforc", "did you mean 'reinforce'"),
        ("run --space tiny --attention sew", "did you mean 'se'"),
        ("run --space tiny --sampler x", "unknown sampler 'x'"),
        ("run --space tiny --objective x", "expected an objective like"),
        ("run --space tiny --budget-cost x", "expected a limit like"),
        ("run --space tiny --budget-cost sites<2x", "without an x"),
        ("run --space tiny --data x", "x"),
        ("run --space tiny --data imagefolder --data-root nowhere", "nowhere"),
        ("run --space tiny --data cifar10 --data-root nowhere", "nowhere"),
        ("run --space tiny --set x", "expected --set FIELD=VALUE"),
        ("run --space tiny --set search.options.x=1", "unknown option of searcher"),
        ("run --space tiny --set sed=1", "did you mean 'seed'"),
        ("run --space tiny --device tpu", "device"),
        ("run --space tiny --supernet nowhere.safetensors", "no weights at nowhere.safetensors"),
        ("run --space tiny --gpus-per-worker 1", "expected --workers N beside"),
        ("run --space tiny --evaluator share", "'shared' or 'standalone'"),
        ("run --space tiny --evaluator standalone --racing", "racing needs shared weights"),
        ("run --experiment nowhere.yaml", "no experiment file at nowhere.yaml"),
        ("run --backbone vgg11", "has no site"),
        ("cost", "expected --space NAME"),
        ("cost --space tiny --backbone resnet18", "got both"),
        (
            "cost --backbone resnet18 --attention mrla_light --position residual",
            "to position",
        ),
        (
            "cost --backbone mobilenetv3_small_050 --attention mrla_light",
            "do not divide 16",
        ),
        ("cost --space tiny --placement 10", "expected 4 sites"),
        ("cost --space tiny --placement 1-2-0-0", "digits 0 to 1"),
        ("resume nowhere", "not a run folder"),
        ("retrain nowhere", "not a run folder"),
    ],
)
def test_user_errors_are_one_line_and_exit_code_two(
    run_command, tmp_path, monkeypatch, words, expected
):
    monkeypatch.chdir(tmp_path)
    code, out, err = run_command(*words.split())
    last = err.strip().splitlines()[-1]
    assert code == 2
    assert last.startswith("ean-search: ")
    assert expected in last
    assert "Traceback" not in out + err


def test_unknown_flags_and_commands_exit_with_two(capsys):
    for words in (["run", "--spac", "tiny", "--nonsense"], ["serch"], []):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 2
    capsys.readouterr()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["spaces", "report results/example --output {}"])
def test_readers_may_leave_early(tmp_path, command):
    words = command.format(tmp_path / "page.html").split()
    # The reader is gone before anything is written, as with `| true`.
    start = "import sys; from ean_search.cli.main import main; sys.stdin.read()"
    program = [sys.executable, "-c", f"{start}; sys.exit(main({words}))"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(program, text=True, **pipes) as process:
        process.stdout.close()
        process.stdin.close()
        errors = process.stderr.read()
        assert process.wait() == 1
    assert "Traceback" not in errors
