import shutil
from pathlib import Path

from ean_search.analysis.html_report import render
from ean_search.analysis.run_analysis import RunAnalysis, open_run
from ean_search.analysis.run_pictures import write_pictures
from ean_search.bench.report_speed import make_run
from ean_search.utils.progress import silent
from tests.analysis.test_rank_correlation import train

EXAMPLE = Path(__file__).parents[2] / "results" / "example"


def test_the_pages_figures_are_written_as_png_and_svg(tmp_path):
    paths = write_pictures([RunAnalysis(open_run(EXAMPLE))], tmp_path)
    assert {path.stem for path in paths} == {"front", "sites", "history", "proposals"}
    for path in paths:
        start = path.read_bytes()[:100]
        assert b"PNG" in start if path.suffix == ".png" else b"<?xml" in start


def test_a_searcher_with_a_policy_is_shown_by_it(tmp_path):
    found = [RunAnalysis(make_run(tmp_path / "run", "reinforce", 16, 40, silent))]
    names = {path.stem for path in write_pictures(found, tmp_path)}
    assert names == {"front", "sites", "history", "policy"}
    text = render(found)
    assert 'data-figure="policy0"' in text
    assert 'data-figure="proposals0"' not in text


def test_several_runs_share_a_history_and_have_numbers(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "run")
    other = open_run(tmp_path / "run")
    train(other, "000-0000-000000-000", 0.7)
    names = [
        path.stem
        for path in write_pictures([RunAnalysis(open_run(EXAMPLE)), RunAnalysis(other)], tmp_path)
    ]
    assert names.count("history") == 2
    assert {"front_1", "front_2", "sites_2", "proposals_1", "agreement_2"} < set(names)
    assert "agreement_1" not in names


def test_a_run_without_trials_has_no_pictures(tmp_path):
    assert write_pictures([RunAnalysis(open_run(tmp_path))], tmp_path / "pictures") == []
