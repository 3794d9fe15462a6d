import pytest

from ean_search.analysis.run_analysis import RunAnalysis, open_run
from ean_search.utils.errors import UserError


@pytest.fixture
def analysis(run):
    return RunAnalysis(run)


def test_a_complete_run_has_no_problems(analysis):
    assert analysis.problems() == []
    assert analysis.name == "resnet50_shared/run"
    assert len(analysis.trials) == len(analysis.history) == 64
    assert analysis.cost_axes[0] == "latency_ms"
    assert len(analysis.sites) == len(analysis.costs) == 16


def test_a_run_that_is_named_after_its_space_has_a_short_name(run):
    other = run.path.rename(run.path.with_name("resnet50_shared"))
    assert RunAnalysis(open_run(other)).name == "resnet50_shared"


def test_named_and_random_placements_are_references(run, analysis):
    references = analysis.reference_placements.set_index("name")
    assert {"none", "all", "every-other", "ean-se", "ean-sge", "ean-dia"} < set(references.index)
    assert references.loc["all", "sites"] == 16
    random = references.loc["random"]
    assert random.deviation > 0
    assert random.sites == run.find("best").attached
    assert random.macs > references.loc["none", "macs"]


def test_a_front_can_be_had_on_every_axis(analysis):
    for axis in analysis.cost_axes:
        front = analysis.front(axis)
        assert front[axis].is_monotonic_increasing
        assert front.accuracy.is_monotonic_increasing


def test_trials_over_a_limit_are_evaluated_but_not_on_the_front(run):
    best = run.front().placement.iloc[-1]
    lines = [
        line.replace('"done"', '"infeasible"') if f'"{best}"' in line else line
        for line in run.trials_file.read_text().splitlines()
    ]
    run.trials_file.write_text("\n".join([*lines, ""]))
    analysis = RunAnalysis(run)
    assert len(analysis.evaluated) == 64
    assert best not in analysis.front().placement.tolist()


def test_an_empty_folder_has_none_of_the_files_and_says_so(tmp_path):
    analysis = RunAnalysis(open_run(tmp_path))
    problems = "\n".join(analysis.problems())
    for name in ("experiment.yaml", "costs.json", "trials.jsonl", "summary.json"):
        assert f"{name}: not there" in problems
    assert analysis.evaluated.empty
    assert analysis.front().empty
    assert analysis.reference_placements.empty
    assert analysis.history is analysis.sites is analysis.policy is analysis.costs is None


def test_a_broken_line_is_named_and_the_rest_is_shown(run):
    lines = run.trials_file.read_text().splitlines()
    run.trials_file.write_text("\n".join([*lines[:9], "{", *lines[10:], ""]))
    run.summary_file.write_text("{")
    analysis = RunAnalysis(run)
    problems = analysis.problems()
    assert any("trials.jsonl: " in line and "line 10" in line for line in problems)
    assert any(line.startswith("summary.json: ") for line in problems)
    assert len(analysis.costs) == 16


def test_a_summary_that_is_no_mapping_is_a_problem(run):
    run.summary_file.write_text("[1, 2]")
    analysis = RunAnalysis(run)
    assert any(line.startswith("summary.json: ") for line in analysis.problems())
    assert analysis.comparison.empty


def test_a_run_that_was_just_made_can_be_opened(run, tmp_path):
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    run.provenance_file.rename(fresh / "provenance.json")
    assert RunAnalysis(open_run(fresh)).provenance


def test_folders_of_something_else_are_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="is not a run folder"):
            open_run(path)
