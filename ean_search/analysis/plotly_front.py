"""The traces of a front: placements, its members, how they were judged, and named ones."""

from functools import partial

import pandas as pd
import plotly.graph_objects as go

from ean_search.analysis.figure_layout import AXIS_LABELS, TOLD_APART, drawn_scores, judged_series
from ean_search.analysis.palette import COLOURS
from ean_search.analysis.run_analysis import RunAnalysis
from ean_search.core.score import ACCURACY, Score

FAINT, NAMED_COLOUR = "#8c8c8c", "#d55e00"  # visible on white and on black
RANDOM_COLOUR = COLOURS[3]
JUDGED_COLOUR = "#8a63d2"  # visible on white and on black


def front_traces(analysis: RunAnalysis, x: str, colour: str, *, several: bool) -> list[go.Scatter]:
    """Draw one run's placements, its front, its judgement, and placements with names.

    Args:
        analysis: The run.
        x: The cost axis, a field of `Cost`.
        colour: The colour of the run, or of the front if it is alone.
        several: Whether other runs are drawn beside it; then there is no room for judgements.
    """
    evaluated, draw = analysis.evaluated, partial(_points, score=analysis.score)
    over_limit = evaluated["status"] == "infeasible"
    faint = {"color": colour if several else FAINT, "size": 6, "opacity": 0.45}
    traces = [draw(evaluated[~over_limit], x, name="evaluated", marker=faint)]
    if over_limit.any():
        crossed = faint | {"symbol": "x-thin-open", "size": 8}
        traces.append(draw(evaluated[over_limit], x, name="over a limit", marker=crossed))
    dots = {"color": colour, "size": 9}
    front = draw(analysis.front(x), x, name="front", mode="lines+markers", marker=dots)
    traces.append(front.update(line={"shape": "hv", "color": colour, "width": 2}))
    if not several:
        traces += _judged_traces(analysis.judged_front, x)
    traces += _reference_traces(analysis, x, colour if several else None)
    title = {"text": analysis.name}
    group = {"legendgroup": colour, "legendgrouptitle": title} if several else {}
    return [trace.update(group) for trace in traces]


def _judged_traces(front: pd.DataFrame, x: str) -> list[go.Scatter]:
    """Draw how the members of a judged front did, with their intervals."""
    return [
        go.Scatter(
            x=members[x].tolist(),
            y=members["judged"].round(3).tolist(),
            customdata=members["placement"].tolist(),
            name=label,
            mode="markers",
            marker={
                "symbol": "diamond" if label == TOLD_APART else "diamond-open",
                "size": 8,
                "color": JUDGED_COLOUR,
            },
            error_y={"array": members["half_interval"].tolist(), "color": JUDGED_COLOUR},
            hovertemplate="<b>%{customdata}</b><br>judged %{y:.2f} % ± %{error_y.array:.2f}",
        )
        for label, members in judged_series(front).items()
    ]


def _reference_traces(analysis: RunAnalysis, x: str, colour: str | None) -> list[go.Scatter]:
    """Draw placements with names; without a colour of a run, there is room for the names."""
    placements, score = analysis.reference_placements, analysis.score
    is_random = placements["name"] == "random"
    named = _points(
        placements[~is_random],
        x,
        score=score,
        name="named",
        mode="markers" if colour else "markers+text",
        textposition="top center",
        marker={
            "symbol": "square-open",
            "size": 12,
            "color": colour or NAMED_COLOUR,
            "line": {"width": 2},
        },
    )
    random_colour = colour or RANDOM_COLOUR
    deviation = score.size(1.0) * placements[is_random]["deviation"]
    random = _points(
        placements[is_random],
        x,
        score=score,
        name="random, same count",
        marker={"symbol": "diamond", "size": 11, "color": random_colour},
        error_y={"type": "data", "array": deviation, "color": random_colour},
    )
    return [named, random]


def _points(
    frame: pd.DataFrame, x: str, *, score: Score, mode: str = "markers", **look: object
) -> go.Scatter:
    """Draw placements as points that tell their text, and their name if the frame has names."""
    has_names = "name" in frame
    name, cost = " (%{text})" if has_names else "", AXIS_LABELS[x]
    return go.Scatter(
        x=frame[x].tolist(),
        y=_rounded(drawn_scores(frame["accuracy"], score), score).tolist(),
        text=frame["name"].tolist() if has_names else None,
        customdata=frame["placement"].tolist(),
        mode=mode,
        hovertemplate=f"<b>%{{customdata}}</b>{name}<br>{_hover_value(score)}, {cost} %{{x}}",
        **look,
    )


def _rounded(values: pd.Series, score: Score) -> pd.Series:
    """Leave out decimals that nobody sees, where the size of the values is known."""
    return values.round(3) if score.is_share else values


def _hover_value(score: Score) -> str:
    """Return the template of a score under the pointer."""
    if score.is_share:
        return "%{y:.2f} %" if score.name == ACCURACY.name else f"{score.name} %{{y:.2f}} %"
    return f"{score.name} %{{y:.4~g}}"
