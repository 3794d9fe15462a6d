from pathlib import Path

import pytest

from ean_search.analysis import plotly_figures as figures
from ean_search.analysis.run_analysis import RunAnalysis, open_run
from ean_search.bench.report_speed import make_run
from ean_search.utils.progress import silent

EXAMPLE = Path(__file__).parents[2] / "results" / "example"


@pytest.fixture(scope="module")
def run():
    return RunAnalysis(open_run(EXAMPLE))


def trace(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def test_points_of_the_front_say_their_placement(run):
    figure = figures.front_figure([run])
    front = trace(figure, "front")
    assert list(front.customdata) == run.front().placement.tolist()
    assert list(front.x) == run.front().latency_ms.tolist()
    assert "customdata" in front.hovertemplate
    assert set(trace(figure, "named").text) > {"none", "all", "ean-sge"}


def test_another_axis_is_another_front(run):
    figure = figures.front_figure([run], "sites")
    assert list(trace(figure, "front").x) == run.front("sites").sites.tolist()
    assert figure.layout.xaxis.title.text == "attached sites"


def test_several_runs_have_colours_of_their_own(run):
    figure = figures.front_figure([run, run])
    colours = [trace.line.color for trace in figure.data if trace.name == "front"]
    assert len(set(colours)) == 2
    assert [trace.meta for trace in figure.data] == [0] * 4 + [1] * 4


def test_sites_stand_stage_by_stage(run):
    figure = figures.sites_figure(run)
    bars, dots = figure.data
    assert list(bars.x) == list(range(1, 17))
    assert dots.y[6] == pytest.approx(100 * run.sites.effect[6])
    assert figure.layout.xaxis.ticktext == ("stage 1", "stage 2", "stage 3", "stage 4")


def test_a_policy_is_a_strip_of_steps(tmp_path):
    learnt = RunAnalysis(make_run(tmp_path / "run", "reinforce", 16, 40, silent))
    (heat,) = figures.policy_figure(learnt).data
    assert len(heat.z) == 16
    assert len(heat.z[0]) == len(heat.x) == learnt.policy.step.nunique()


def test_proposals_are_a_strip_too(run):
    (heat,) = figures.proposals_figure(run).data
    assert len(heat.z) == 16
    assert "of the latest proposals" in heat.hovertemplate


def test_history_has_a_line_for_each_run(run):
    lines = [trace for trace in figures.history_figure([run, run]).data if trace.mode == "lines"]
    assert len(lines) == 4
