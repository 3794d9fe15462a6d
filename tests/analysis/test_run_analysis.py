import shutil
from pathlib import Path

import pytest

from ean_search.analysis.run_analysis import RunAnalysis, open_run
from ean_search.utils.errors import UserError

EXAMPLE = Path(__file__).parents[2] / "results" / "example"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "run")
    return tmp_path / "run"


def found(folder):
    return RunAnalysis(open_run(folder))


def test_a_whole_run_lacks_nothing(folder):
    run = found(folder)
    assert run.missing() == []
    assert run.name == "resnet50_shared/run"
    assert len(run.trials) == len(run.history) == 64
    assert run.axes[0] == "latency_ms"
    assert len(run.sites) == len(run.costs) == 16


def test_every_named_placement_is_marked_and_so_is_chance(folder):
    run = open_run(folder)
    marks = RunAnalysis(run).marks.set_index("name")
    assert {"none", "all", "every-other", "ean-se", "ean-sge", "ean-dia"} < set(marks.index)
    assert marks.loc["all", "sites"] == 16
    chance = marks.loc["random"]
    assert chance.deviation > 0
    assert chance.sites == run.find("best").attached
    assert chance.macs > marks.loc["none", "macs"]


def test_a_front_can_be_had_on_every_axis(folder):
    run = found(folder)
    for axis in run.axes:
        front = run.front(axis)
        assert front[axis].is_monotonic_increasing
        assert front.accuracy.is_monotonic_increasing


def test_an_empty_folder_lacks_everything_and_says_so(tmp_path):
    run = found(tmp_path)
    missing = "\n".join(run.missing())
    for name in ("experiment.yaml", "costs.json", "trials.jsonl", "summary.json"):
        assert f"{name}: not there" in missing
    assert run.measured.empty
    assert run.front().empty
    assert run.marks.empty
    assert run.history is run.sites is run.policy is run.costs is None


def test_a_broken_line_is_named_and_the_rest_is_shown(folder):
    lines = (folder / "trials.jsonl").read_text().splitlines()
    (folder / "trials.jsonl").write_text("\n".join([*lines[:9], "{", *lines[10:], ""]))
    (folder / "summary.json").write_text("{")
    run = found(folder)
    missing = run.missing()
    assert any("trials.jsonl: " in line and "line 10" in line for line in missing)
    assert any(line.startswith("summary.json: ") for line in missing)
    assert len(run.costs) == 16


def test_folders_of_something_else_are_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="is not a run folder"):
            open_run(path)
