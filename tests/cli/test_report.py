"""`report`, `dashboard` and `explain`."""

import shutil
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "results" / "example"


@pytest.fixture
def example(tmp_path):
    return shutil.copytree(EXAMPLE, tmp_path / "example")


@pytest.mark.slow
def test_the_page_lies_in_the_run_unless_told_otherwise(run_command, example, tmp_path):
    code, out, _ = run_command("report", example)
    assert (code, out.splitlines()[-1]) == (0, str(example / "report.html"))
    assert (example / "report.html").read_text().startswith("<!doctype html>")
    code, out, _ = run_command("report", example, "--output", tmp_path / "page.html")
    assert code == 0
    assert (tmp_path / "page.html").is_file()


@pytest.mark.slow
def test_its_figures_are_written_on_request(run_command, example):
    code, out, _ = run_command("report", example, "--png")
    assert code == 0
    pictures = [Path(line) for line in out.splitlines() if line.endswith((".png", ".svg"))]
    assert {"front.png", "front.svg"} <= {path.name for path in pictures}
    assert all(path.stat().st_size for path in pictures)


def test_what_a_run_lacks_is_said(run_command, example):
    (example / "summary.json").unlink()
    code, out, _ = run_command("report", example)
    assert code == 0
    assert "summary.json: not there" in out


@pytest.mark.parametrize("command", ["report", "dashboard", "explain"])
def test_other_folders_are_refused_in_one_line(run_command, tmp_path, command):
    (tmp_path / "thesis.tex").write_text("years of work")
    code, out, err = run_command(command, tmp_path)
    assert code == 2
    assert "is not a run folder" in err
    assert "Traceback" not in out + err
