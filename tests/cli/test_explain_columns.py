"""`--explain-columns`, typed for the commands that print tables."""

import json

import pytest

from ean_search.cli.explain_columns import COMMANDS, note_columns
from ean_search.cli.main import main, make_parser
from tests.synthetic import write_synthetic

FLAG = "--explain-columns"


def explained(text, table):
    """Return the names that stand below the heading of a table, in words."""
    block = text.split(f"columns of {table}:\n")[1].split("\n\n")[0]
    return [line.split("  ")[1] for line in block.splitlines() if line.startswith("  ")]


@pytest.mark.parametrize("command", [*COMMANDS, "bench searchers", "bench evidence", "bench table"])
def test_each_command_with_tables_has_the_flag(command, capsys):
    with pytest.raises(SystemExit):
        make_parser().parse_args([*command.split(), "--help"])
    assert FLAG in capsys.readouterr().out


def test_all_columns_of_spaces_are_explained(run_command):
    code, out, _ = run_command("spaces", "tiny", FLAG)
    assert code == 0
    assert "not explained" not in out
    header = out.splitlines()[0]
    names = explained(out, "spaces")
    assert len(names) == 8
    assert all(name in header for name in names)


def test_nothing_is_explained_unasked(run_command):
    _, out, _ = run_command("spaces", "tiny")
    assert "columns of" not in out
    note_columns("spaces", ["sites"])  # outside a command: no one listens
    _, out, _ = run_command("spaces", "tiny", FLAG)
    assert out.count("columns of") == 1


def test_costs_say_that_flops_are_multiply_adds(run_command):
    code, out, _ = run_command("cost", "--space", "tiny", FLAG)
    assert code == 0
    assert "not explained" not in out
    assert "FLOPs are multiply-adds, as fvcore counts them" in out
    assert "both are multiply-adds" in out.split("columns of")[0]


def test_json_stays_json(run_command):
    code, out, err = run_command("cost", "--space", "tiny", "--json", FLAG)
    assert code == 0
    fields = {"name", "placement", *json.loads(out)["placements"][0]}
    assert fields == set(explained(err, "cost"))


@pytest.mark.slow
def test_a_runs_tables_and_file_are_explained(run_command, finished_run):
    code, out, _ = run_command("resume", finished_run, FLAG)
    assert code == 0
    assert "not explained" not in out
    header = (finished_run / "front.csv").read_text().splitlines()[0]
    assert explained(out, "front.csv") == header.split(",")
    assert "accuracy %" in explained(out, "compared")


@pytest.mark.slow
def test_comparisons_are_explained(run_command, finished_run):
    words = ["retrain", finished_run, "--compare", "none", "--epochs", "1", "--placement", "all"]
    code, out, _ = run_command(*words, FLAG)
    assert code == 0
    assert "not explained" not in out
    assert {"test %", "x none", "all minus this (95 %)"} <= set(explained(out, "retrained"))
    assert "latency_removed" in explained(out, "comparison.csv")
    assert "test_accuracy" in explained(out, "trainings.csv")


@pytest.mark.slow
def test_measurements_are_explained(run_command, finished_run, tmp_path, one_thread):
    table = write_synthetic(tmp_path / "six.parquet")
    searchers = "searchers --searchers random --sites --seeds 2 --budget 60 --processes 0 "
    searchers += f"--tables {table} --workers 1"
    for words in (searchers, f"racing {finished_run} --races 3"):
        code, out, _ = run_command("bench", *words.split(), "--output", tmp_path, FLAG)
        assert code == 0
        assert "not explained" not in out
        name = f"{words.split()[0]}.csv"
        header = (tmp_path / name).read_text().splitlines()[0]
        assert set(header.split(",")) <= set(explained(out, name))


def test_an_error_is_not_followed_by_explanations(capsys):
    assert main(["spaces", "tyni", FLAG]) == 2
    captured = capsys.readouterr()
    assert "columns of" not in captured.out + captured.err
