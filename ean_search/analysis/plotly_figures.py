"""RunAnalysis in, interactive figures out; computes nothing. `plots.py` draws the same on paper.

A colour stands for a run where several are drawn together, and for an attention where one is.
"""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ean_search.analysis.matplotlib_figures import LABELS
from ean_search.analysis.palette import COLOURS
from ean_search.analysis.run_analysis import RunAnalysis

FAINT, MARK = "#8c8c8c", "#d55e00"  # seen on white and on black
STEP_LIMIT = 200  # columns of a policy; more cannot be seen


def front_figure(runs: Sequence[RunAnalysis], x: str | None = None) -> go.Figure:
    """Draw accuracy against a cost axis, the runs' own if none is named."""
    axis = x or runs[0].axis
    figure = go.Figure()
    for number, run in enumerate(runs):
        if len(run.measured):
            colour = COLOURS[number % len(COLOURS)]
            traces = _front_traces(run, axis, colour, several=len(runs) > 1)
            figure.add_traces([trace.update(meta=number) for trace in traces])
    _lay_out(figure, LABELS[axis], "accuracy on the search split (%)", height=520)
    return figure


def _front_traces(run: RunAnalysis, x: str, colour: str, *, several: bool) -> list[go.Scatter]:
    measured, over = run.measured, run.measured.status == "infeasible"
    group = {"legendgroup": colour, "legendgrouptitle": {"text": run.name}} if several else {}
    faint = {"color": colour if several else FAINT, "size": 6, "opacity": 0.45}
    traces = [_points(measured[~over], x, name="evaluated", marker=faint)]
    if over.any():
        crossed = faint | {"symbol": "x-thin-open", "size": 8}
        traces.append(_points(measured[over], x, name="over a limit", marker=crossed))
    line = {"shape": "hv", "color": colour, "width": 2}
    dots = {"color": colour, "size": 9}
    front = _points(run.front(x), x, name="front", mode="lines+markers", marker=dots)
    marks = _mark_traces(run.marks, x, colour if several else None)
    return [trace.update(group) for trace in [*traces, front.update(line=line), *marks]]


def _mark_traces(marks: pd.DataFrame, x: str, colour: str | None) -> list[go.Scatter]:
    """Draw placements with names, which stand beside them where one run has the place for it."""
    chance = marks.name == "random"
    square = {"symbol": "square-open", "size": 12, "color": colour or MARK, "line": {"width": 2}}
    mode = "markers" if colour else "markers+text"
    named = _points(marks[~chance], x, name="named", mode=mode, marker=square)
    mean = {"symbol": "diamond", "size": 11, "color": colour or COLOURS[3]}
    random = _points(marks[chance], x, name="random, same count", marker=mean)
    spread = {"type": "data", "array": 100 * marks[chance].deviation, "color": mean["color"]}
    return [named.update(textposition="top center"), random.update(error_y=spread)]


def _points(frame: pd.DataFrame, x: str, *, mode: str = "markers", **look: object) -> go.Scatter:
    """Draw trials as points that say their placement."""
    named = "name" in frame
    tail = " (%{text})" if named else ""
    return go.Scatter(
        x=frame[x].tolist(),
        y=(100 * frame.accuracy.astype(float)).round(3).tolist(),
        text=frame["name"].tolist() if named else None,
        customdata=frame.placement.tolist(),
        mode=mode,
        hovertemplate=f"<b>%{{customdata}}</b>{tail}<br>%{{y:.2f}} %, {LABELS[x]} %{{x}}",
        **look,
    )


def sites_figure(run: RunAnalysis) -> go.Figure:
    """Draw how often the front uses each site, and what attaching there went with."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for choice, cells in run.sites.groupby("choice"):
        name, colour = cells.attention.iloc[0], COLOURS[(choice - 1) % len(COLOURS)]
        about = {"name": name.upper(), "legendgroup": name, "x": cells.site + 1}
        about["customdata"] = [f"site {s + 1}, stage {g + 1}" for s, g in _pairs(cells)]
        share = "%{customdata}: on %{y:.0f} % of the front"
        bar = go.Bar(**about, y=100 * cells.front_share, marker={"color": colour})
        figure.add_trace(bar.update(hovertemplate=share), row=1, col=1)
        half = 100 * (cells.high - cells.effect)
        dots = go.Scatter(**about, y=100 * cells.effect, mode="markers", showlegend=False)
        dots.update(marker={"color": colour, "size": 8}, error_y={"array": half, "color": colour})
        effect = "%{customdata}: %{y:+.2f} points, 95 % interval ± %{error_y.array:.2f}"
        figure.add_trace(dots.update(hovertemplate=effect), row=2, col=1)
    _lay_out(figure, "", "on the front (%)", height=460)
    figure.update_layout(barmode="group", scattermode="group")
    figure.update_yaxes(title_text="effect (points)", zeroline=True, row=2, col=1)
    _mark_stages(figure, run, "x")
    return figure


def _pairs(cells: pd.DataFrame) -> zip:
    return zip(cells.site, cells.stage, strict=True)


def history_figure(runs: Sequence[RunAnalysis]) -> go.Figure:
    """Draw the best accuracy and the hypervolume over evaluations."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for number, run in enumerate(runs):
        if run.history is None:
            continue
        frame, colour = run.history, COLOURS[number % len(COLOURS)]
        x = frame.evaluations
        about = {"x": x, "legendgroup": colour, "hoverinfo": "x+y"}
        faint = {"color": colour if len(runs) > 1 else FAINT, "size": 4, "opacity": 0.5}
        each = {"mode": "markers", "marker": faint}
        line = {"mode": "lines", "line": {"shape": "hv", "color": colour, "width": 2}}
        best, volume = 100 * frame.best_accuracy, frame.hypervolume
        dots = go.Scatter(**about, **each, y=100 * frame.accuracy, showlegend=False)
        figure.add_trace(dots, row=1, col=1)
        figure.add_trace(go.Scatter(**about, **line, y=best, name=run.name), row=1, col=1)
        figure.add_trace(go.Scatter(**about, **line, y=volume, showlegend=False), row=2, col=1)
    _lay_out(figure, "", "accuracy, best so far (%)", height=460)
    figure.update_layout(showlegend=len(runs) > 1)
    figure.update_yaxes(title_text="hypervolume", row=2, col=1)
    figure.update_xaxes(title_text="evaluations", row=2, col=1)
    return figure


def policy_figure(run: RunAnalysis) -> go.Figure:
    """Draw the probability that a site carries an attention, step by step."""
    return _leaning_figure(run, run.policy, "attached with probability %{z:.2f}")


def proposals_figure(run: RunAnalysis) -> go.Figure:
    """Draw the share of the latest proposals that attach at a site, step by step."""
    return _leaning_figure(run, run.proposals, "attached in %{z:.0%} of the latest proposals")


def _leaning_figure(run: RunAnalysis, frame: pd.DataFrame, words: str) -> go.Figure:
    attached = frame[frame.choice > 0]
    strip = attached.pivot_table(index="site", columns="step", values="probability", aggfunc="sum")
    strip = strip.iloc[:, :: -(-strip.shape[1] // STEP_LIMIT)]
    heat = go.Heatmap(
        x=strip.columns.tolist(),
        y=[site + 1 for site in strip.index],
        z=strip.round(3).to_numpy().tolist(),
        **{"zmin": 0, "zmax": 1, "colorscale": "Cividis", "colorbar": {"thickness": 12}},
        hovertemplate=f"step %{{x}}, site %{{y}}: {words}<extra></extra>",
    )
    figure = go.Figure(heat)
    _lay_out(figure, "step of the searcher", "", height=180 + 12 * len(strip))
    figure.update_yaxes(autorange="reversed")
    _mark_stages(figure, run, "y")
    return figure


def agreement_figure(run: RunAnalysis) -> go.Figure:
    """Draw estimates of shared weights against accuracies of networks trained alone."""
    figure = go.Figure()
    for number, (kind, frame) in enumerate(run.agreement.groupby("kind")):
        figure.add_scatter(
            name=kind,
            x=100 * frame.estimate,
            y=100 * frame.alone,
            text=frame.note,
            customdata=frame.placement,
            mode="markers+text",
            textposition="top center",
            marker={"color": COLOURS[number], "size": 9, "symbol": ("circle", "square")[number]},
            hovertemplate="<b>%{customdata}</b><br>estimate %{x:.2f} %, alone %{y:.2f} %",
        )
    across, up = "estimate with shared weights (%)", "accuracy trained alone (%)"
    return _lay_out(figure, across, up, height=420)


def _mark_stages(figure: go.Figure, run: RunAnalysis, axis: str) -> None:
    """Name stages along an axis of sites, and draw lines between them."""
    stages = run.run.space.stages
    ends = [sum(stages[: i + 1]) for i in range(len(stages))]
    middles = [end - (count - 1) / 2 for end, count in zip(ends, stages, strict=True)]
    names = [f"stage {i + 1}" if len(stages) < 6 else f"{i + 1}" for i in range(len(stages))]
    update = {"x": figure.update_xaxes, "y": figure.update_yaxes}[axis]
    update(tickmode="array", tickvals=middles, ticktext=names, showgrid=False)
    for end in ends[:-1]:
        line = {"color": FAINT, "width": 1, "dash": "dot"}
        if axis == "x":
            figure.add_vline(end + 0.5, line=line)
        else:
            figure.add_hline(end + 0.5, line=line)


def _lay_out(figure: go.Figure, x: str, y: str, *, height: int) -> go.Figure:
    legend = {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0}
    figure.update_layout(
        template="plotly_white",
        height=height,
        legend=legend,
        hovermode="closest",
        margin={"l": 60, "r": 16, "t": 40, "b": 50},
    )
    return figure.update_layout(xaxis_title=x, yaxis_title=y)
