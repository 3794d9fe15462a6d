"""Interactive figures of runs: analyses in, figures out; computes nothing.

`run_pictures.py` draws the same on paper. A colour stands for a run in figures of several runs, and
for an attention in figures of one.
"""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ean_search.analysis.figure_layout import (
    ALONE_LABEL,
    ESTIMATE_LABEL,
    AttentionSeries,
    attached_by_step,
    attention_series,
    axis_labels,
    drawn_scores,
    score_label,
    stage_axis,
)
from ean_search.analysis.palette import series_colour
from ean_search.analysis.plotly_front import FAINT, front_traces
from ean_search.analysis.run_analysis import RunAnalysis
from ean_search.utils.errors import UserError

MAX_STEP_COLUMNS = 200  # of a policy; more cannot be seen


def front_figure(analyses: Sequence[RunAnalysis], x: str | None = None) -> go.Figure:
    """Draw accuracy against a cost for one run or several.

    Args:
        analyses: The runs, at least one.
        x: The cost axis, a field of `Cost`; that of the first run if None.

    Returns:
        A Plotly figure. The `meta` of each trace is the number of its run.
    """
    axis = x or analyses[0].cost_axis
    figure = go.Figure()
    for number, analysis in enumerate(analyses):
        if len(analysis.evaluated):
            colour = series_colour(number)
            traces = front_traces(analysis, axis, colour, several=len(analyses) > 1)
            figure.add_traces([trace.update(meta=number) for trace in traces])
    labels = axis_labels([size for each in analyses for size in each.cost_image_sizes])
    return _lay_out(figure, labels[axis], score_label(analyses[0].score), height=520)


def sites_figure(analysis: RunAnalysis) -> go.Figure:
    """Draw how often the front uses each site, and the effect of attaching there.

    Raises:
        UserError: If the run has no evaluated trials.
    """
    sites = _available(analysis, analysis.sites, "evaluated trials")
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for series in attention_series(sites):
        bar, dots = _site_traces(series)
        figure.add_trace(bar, row=1, col=1)
        figure.add_trace(dots, row=2, col=1)
    _lay_out(figure, "", "on the front (%)", height=460)
    figure.update_layout(barmode="group", scattermode="group")
    figure.update_yaxes(title_text=f"effect ({analysis.score.points})", zeroline=True, row=2, col=1)
    return _mark_stages(figure, analysis, "x")


def _site_traces(series: AttentionSeries) -> tuple[go.Bar, go.Scatter]:
    """Draw one attention's shares of the front as bars and its effects as points."""
    cells, colour, half = series.cells, series.colour, series.half_intervals
    pairs = zip(cells["site"], cells["stage"], strict=True)
    common = {
        "name": series.name.upper(),
        "legendgroup": series.name,
        "x": series.positions,
        "customdata": [f"site {site + 1}, stage {stage + 1}" for site, stage in pairs],
    }
    bar = go.Bar(
        **common,
        y=100 * cells["front_share"],
        marker={"color": colour},
        hovertemplate="%{customdata}: on %{y:.0f} % of the front",
    )
    dots = go.Scatter(
        **common,
        y=100 * cells["effect"],
        mode="markers",
        showlegend=False,
        marker={"color": colour, "size": 8},
        error_y={"array": half, "color": colour},
        hovertemplate="%{customdata}: %{y:+.2f} points, 95 % interval ± %{error_y.array:.2f}",
    )
    return bar, dots


def history_figure(analyses: Sequence[RunAnalysis]) -> go.Figure:
    """Draw the best accuracy and the hypervolume over evaluations; runs without any are left out.

    Args:
        analyses: The runs.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for number, analysis in enumerate(analyses):
        if analysis.history is not None:
            colour = series_colour(number)
            dot_colour = colour if len(analyses) > 1 else FAINT
            traces = _history_traces(analysis, colour, dot_colour)
            figure.add_traces(traces, rows=[1, 1, 2], cols=[1, 1, 1])
    _lay_out(figure, "", score_label(analyses[0].score, ", best so far"), height=460)
    figure.update_layout(showlegend=len(analyses) > 1)
    figure.update_yaxes(title_text="hypervolume", row=2, col=1)
    figure.update_xaxes(title_text="evaluations", row=2, col=1)
    return figure


def _history_traces(analysis: RunAnalysis, colour: str, dot_colour: str) -> list[go.Scatter]:
    """Draw all accuracies, the best so far, and the hypervolume."""
    history, score = analysis.history, analysis.score
    assert history is not None, "runs without a history are left out"
    common = {"x": history["evaluations"], "legendgroup": colour, "hoverinfo": "x+y"}
    line = common | {"mode": "lines", "line": {"shape": "hv", "color": colour, "width": 2}}
    dots = {"color": dot_colour, "size": 4, "opacity": 0.5}
    accuracy, best = (drawn_scores(history[n], score) for n in ("accuracy", "best_accuracy"))
    return [
        go.Scatter(**common, mode="markers", marker=dots, y=accuracy, showlegend=False),
        go.Scatter(**line, y=best, name=analysis.name),
        go.Scatter(**line, y=history["hypervolume"], showlegend=False),
    ]


def policy_figure(analysis: RunAnalysis) -> go.Figure:
    """Draw the probability that a site carries an attention, step by step.

    Raises:
        UserError: If the run's searcher has no policy.
    """
    policy = _available(analysis, analysis.policy, "policy")
    return _step_figure(analysis, policy, "attached with probability %{z:.2f}")


def proposals_figure(analysis: RunAnalysis) -> go.Figure:
    """Draw the share of the latest proposals that attach at a site, step by step.

    Raises:
        UserError: If the run's searcher has proposed nothing yet.
    """
    proposals = _available(analysis, analysis.proposals, "proposals")
    return _step_figure(analysis, proposals, "attached in %{z:.0%} of the latest proposals")


def _step_figure(analysis: RunAnalysis, policy: pd.DataFrame, hover_text: str) -> go.Figure:
    strip = attached_by_step(policy)
    strip = strip.iloc[:, :: -(-strip.shape[1] // MAX_STEP_COLUMNS)]
    heatmap = go.Heatmap(
        x=strip.columns.tolist(),
        y=[site + 1 for site in strip.index],
        z=strip.round(3).to_numpy().tolist(),
        zmin=0,
        zmax=1,
        colorscale="Cividis",
        colorbar={"thickness": 12},
        hovertemplate=f"step %{{x}}, site %{{y}}: {hover_text}<extra></extra>",
    )
    figure = go.Figure(heatmap)
    _lay_out(figure, "step of the searcher", "", height=180 + 12 * len(strip))
    figure.update_yaxes(autorange="reversed")
    return _mark_stages(figure, analysis, "y")


def agreement_figure(analysis: RunAnalysis) -> go.Figure:
    """Draw estimates of shared weights against accuracies of networks trained alone."""
    figure = go.Figure()
    for number, (kind, frame) in enumerate(analysis.agreement.groupby("kind")):
        symbol = ("circle", "square")[number]
        figure.add_scatter(
            name=kind,
            x=100 * frame["estimate"],
            y=100 * frame["alone"],
            text=frame["note"],
            customdata=frame["placement"],
            mode="markers+text",
            textposition="top center",
            marker={"color": series_colour(number), "size": 9, "symbol": symbol},
            hovertemplate="<b>%{customdata}</b><br>estimate %{x:.2f} %, alone %{y:.2f} %",
        )
    return _lay_out(figure, ESTIMATE_LABEL, ALONE_LABEL, height=420)


def _available(analysis: RunAnalysis, frame: pd.DataFrame | None, part: str) -> pd.DataFrame:
    """Return a part of an analysis, or raise an error if the run does not have it."""
    if frame is None:
        raise UserError(f"{analysis.run.path} has no {part} to draw")
    return frame


def _mark_stages(figure: go.Figure, analysis: RunAnalysis, axis: str) -> go.Figure:
    """Name stages along the axis of sites, x or y, and draw lines between them."""
    layout = stage_axis(analysis.run.space.stages)
    update_axes = {"x": figure.update_xaxes, "y": figure.update_yaxes}[axis]
    draw_line = {"x": figure.add_vline, "y": figure.add_hline}[axis]
    update_axes(tickmode="array", tickvals=layout.middles, ticktext=layout.names, showgrid=False)
    for border in layout.borders:
        draw_line(border, line={"color": FAINT, "width": 1, "dash": "dot"})
    return figure


def _lay_out(figure: go.Figure, x: str, y: str, *, height: int) -> go.Figure:
    figure.update_layout(
        template="plotly_white",
        height=height,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        hovermode="closest",
        margin={"l": 60, "r": 16, "t": 40, "b": 50},
    )
    return figure.update_layout(xaxis_title=x, yaxis_title=y)
