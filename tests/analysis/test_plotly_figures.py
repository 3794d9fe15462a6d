import pytest

from ean_search.analysis import plotly_figures as figures
from ean_search.analysis.run_analysis import RunAnalysis
from ean_search.core.score import Score
from ean_search.utils.errors import UserError


def trace(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def test_points_of_the_front_say_their_placement(example_analysis):
    figure = figures.front_figure([example_analysis])
    front = trace(figure, "front")
    assert list(front.customdata) == example_analysis.front().placement.tolist()
    assert list(front.x) == example_analysis.front().latency_ms.tolist()
    assert "customdata" in front.hovertemplate
    assert set(trace(figure, "named").text) > {"none", "all", "ean-sge"}


def test_another_axis_is_another_front(example_analysis):
    figure = figures.front_figure([example_analysis], "sites")
    assert list(trace(figure, "front").x) == example_analysis.front("sites").sites.tolist()
    assert figure.layout.xaxis.title.text == "attached sites"


def test_each_of_several_runs_has_its_own_colour(example_analysis):
    figure = figures.front_figure([example_analysis, example_analysis])
    colours = [trace.line.color for trace in figure.data if trace.name == "front"]
    assert len(set(colours)) == 2
    assert [trace.meta for trace in figure.data] == [0] * 4 + [1] * 4


def test_sites_are_named_by_their_stages(example_analysis):
    figure = figures.sites_figure(example_analysis)
    bars, dots = figure.data
    assert list(bars.x) == list(range(1, 17))
    assert dots.y[6] == pytest.approx(100 * example_analysis.sites.effect[6])
    assert figure.layout.xaxis.ticktext == ("stage 1", "stage 2", "stage 3", "stage 4")


def test_a_policy_is_a_strip_of_steps(policy_run):
    analysis = RunAnalysis(policy_run)
    (heat,) = figures.policy_figure(analysis).data
    assert len(heat.z) == 16
    assert len(heat.z[0]) == len(heat.x) == analysis.policy.step.nunique()


def test_proposals_are_a_strip_too(example_analysis):
    (heat,) = figures.proposals_figure(example_analysis).data
    assert len(heat.z) == 16
    assert "of the latest proposals" in heat.hovertemplate


def test_history_has_a_line_for_each_run(example_analysis):
    lines = [
        trace
        for trace in figures.history_figure([example_analysis, example_analysis]).data
        if trace.mode == "lines"
    ]
    assert len(lines) == 4


def test_trials_over_a_limit_are_marked(run):
    lines = run.trials_file.read_text().splitlines(keepends=True)
    lines[5] = lines[5].replace('"done"', '"infeasible"')
    run.trials_file.write_text("".join(lines))
    over = trace(figures.front_figure([RunAnalysis(run)]), "over a limit")
    assert list(over.customdata) == [run.frame().placement[5]]


def test_trainings_are_points_that_say_their_placement(run, add_training):
    add_training(run, "000-0000-000000-000", 0.7)
    (points,) = figures.agreement_figure(RunAnalysis(run)).data
    assert (points.name, list(points.text)) == ("retrained", ["none"])
    assert list(points.y) == [70]
    assert list(points.customdata) == ["000-0000-000000-000"]


def test_a_part_that_a_run_does_not_have_is_an_error(run, random_run):
    with pytest.raises(UserError, match="has no policy to draw"):
        figures.policy_figure(RunAnalysis(random_run))
    run.trials_file.write_text("")
    for draw in (figures.sites_figure, figures.proposals_figure):
        with pytest.raises(UserError, match="to draw"):
            draw(RunAnalysis(run))


def test_another_score_has_its_own_axis(example_analysis, monkeypatch):
    error = Score(name="mean error", maximize=False, low=None, high=None, reference=2.0)
    monkeypatch.setitem(vars(example_analysis), "score", error)
    figure = figures.front_figure([example_analysis])
    assert figure.layout.yaxis.title.text == "mean error on the search split"
    worths = example_analysis.evaluated["accuracy"]
    assert set(trace(figure, "evaluated").y) <= {-2.0 * worth for worth in worths}
    best_so_far = figures.history_figure([example_analysis]).layout.yaxis.title.text
    assert best_so_far == "mean error, best so far"
