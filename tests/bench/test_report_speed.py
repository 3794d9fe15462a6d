import pytest

from ean_search.analysis.run_analysis import RunAnalysis
from ean_search.bench.report_speed import make_run
from ean_search.cli.main import main
from ean_search.utils.progress import silent


def test_the_run_that_is_reported_lacks_only_its_conclusions(tmp_path):
    run = make_run(tmp_path / "run", "random", 16, 40, silent)
    analysis = RunAnalysis(run)
    assert [line.split(":")[0] for line in analysis.problems()] == ["summary.json"]
    assert len(analysis.trials) == 40


@pytest.mark.slow
def test_the_command_saves_its_measurements(tmp_path, capsys):
    words = "bench report --searcher reinforce --sites 16 --trials 30 --output"
    assert main([*words.split(), str(tmp_path)]) == 0
    header, row = (tmp_path / "report.csv").read_text().splitlines()
    assert header.startswith("searcher,sites,trials,seconds,megabytes")
    assert 4 < float(row.split(",")[4]) < 8
