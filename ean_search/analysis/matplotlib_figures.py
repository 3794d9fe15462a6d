"""Figures on paper: frames in, figures out; computes nothing and knows no run folder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ean_search.analysis.figure_layout import (
    ALONE_LABEL,
    ESTIMATE_LABEL,
    STAGE_GAP_CELLS,
    TOLD_APART,
    CostAxis,
    attached_by_step,
    attention_series,
    drawn_scores,
    judged_series,
    score_label,
    stage_axis,
    stage_names,
    strip_cells,
)
from ean_search.analysis.palette import COLOURS, EMPTY, FAINT, INK, attention_colour, series_colour
from ean_search.core.score import ACCURACY, Score
from ean_search.core.space import Placement
from ean_search.utils.files import write_atomically
from ean_search.utils.import_path import is_data_folder

if is_data_folder(Path.cwd()):  # its matplotlibrc was read, and may be a stranger's
    matplotlib.rcdefaults()
NAMED_COLOUR = COLOURS[5]
MIN_STRIP_ROWS = 8  # room for so many strips, so that a single one is not blown up


def plot_front(
    frame: pd.DataFrame,
    front: pd.DataFrame,
    named: pd.DataFrame,
    strips: Mapping[str, Placement],
    attentions: Sequence[str],
    *,
    x: CostAxis,
    title: str = "",
) -> Figure:
    """Draw accuracy against a cost, and beside it where the front's members attach.

    Args:
        frame: One row per trial.
        front: The rows on the front, cheapest first.
        named: The rows of placements that have names, which are their `note`.
        strips: Placements to draw as strips, by their labels.
        attentions: The names of the space's attentions, for the legend.
        x: The cost axis, and the score against it.
        title: The title of the figure.
    """
    figure = Figure(figsize=(12, 5.2), layout="constrained", dpi=120)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    frame, front, named = (
        part.assign(y=drawn_scores(part["accuracy"], x.score)) for part in (frame, front, named)
    )
    _draw_trials(left, frame, front, named, x.column)
    _label_axes(left, x.label, score_label(x.score))
    draw_strips(right, strips, attentions)
    figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=12)
    return figure


def _draw_trials(
    axes: Axes, frame: pd.DataFrame, front: pd.DataFrame, named: pd.DataFrame, x: str
) -> None:
    done, colour = frame[frame["y"].notna()], COLOURS[0]
    axes.scatter(done[x], done["y"], s=18, color=FAINT, label="evaluated")
    axes.step(front[x], front["y"], where="post", color=colour, lw=1.4)
    axes.scatter(front[x], front["y"], s=36, color=colour, zorder=3, label="front")
    for label, members in judged_series(front).items():
        axes.errorbar(
            members[x],
            members["judged"],
            members["half_interval"],
            fmt="D",
            ms=5,
            color=INK,
            mfc=INK if label == TOLD_APART else "white",
            lw=1,
            zorder=2,
            label=label,
        )
    axes.scatter(
        named[x],
        named["y"],
        s=70,
        marker="s",
        facecolors="none",
        edgecolors=NAMED_COLOUR,
        zorder=4,
        label="named",
    )
    for _, row in named.iterrows():
        _annotate(axes, row["note"], row[x], row["y"])
    axes.legend(frameon=False, loc="lower right")


def _label_axes(axes: Axes, x: str, y: str) -> None:
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=EMPTY)
    axes.set_axisbelow(True)


def _annotate(axes: Axes, text: str, x: float, y: float) -> None:
    axes.annotate(
        text, (x, y), xytext=(6, 5), textcoords="offset points", fontsize=8, color=NAMED_COLOUR
    )


def draw_strips(axes: Axes, strips: Mapping[str, Placement], attentions: Sequence[str]) -> None:
    """Draw placements as rows of cells in network order, coloured by attention.

    Args:
        axes: Where to draw.
        strips: Placements of one space, by the labels of their rows.
        attentions: The names of the space's attentions, for the legend.
    """
    for row, placement in enumerate(strips.values()):
        for start, choice in strip_cells(placement):
            colour = attention_colour(choice)
            axes.add_patch(Rectangle((start, row + 0.12), 0.9, 0.76, color=colour))
    axes.set_ylim(max(len(strips), MIN_STRIP_ROWS), 0)
    axes.set_yticks([row + 0.5 for row in range(len(strips))], list(strips), fontsize=8)
    if strips:
        _mark_strip_stages(axes, next(iter(strips.values())).stages)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    handles = [Rectangle((0, 0), 1, 1, color=series_colour(k)) for k in range(len(attentions))]
    axes.legend(
        handles, attentions, frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1)
    )


def _mark_strip_stages(axes: Axes, stages: Sequence[int]) -> None:
    """Name the stages below strips, whose cells have gaps between stages."""
    axes.set_xlim(0, sum(stages) + STAGE_GAP_CELLS * len(stages))
    starts = [sum(stages[:stage]) + STAGE_GAP_CELLS * stage for stage in range(len(stages))]
    middles = [start + count / 2 for start, count in zip(starts, stages, strict=True)]
    axes.set_xticks(middles, stage_names(len(stages)), fontsize=8)


def plot_sites(frame: pd.DataFrame, stages: Sequence[int]) -> Figure:
    """Draw how often the front uses each site, and the effect of attaching there.

    Args:
        frame: One row per site and attention, as `site_frame` returns it.
        stages: The numbers of sites of the stages.
    """
    figure = Figure(figsize=(9, 5), layout="constrained", dpi=120)
    upper, lower = figure.subplots(2, 1, sharex=True)
    count = frame["choice"].max()
    for series in attention_series(frame):
        cells, colour = series.cells, series.colour
        x = series.positions + 0.8 * ((series.choice - 0.5) / count - 0.5)
        upper.bar(
            x, 100 * cells["front_share"], 0.8 / count, color=colour, label=series.name.upper()
        )
        effect, half = 100 * cells["effect"], series.half_intervals
        lower.errorbar(x, effect, half, fmt="o", ms=4, color=colour)
    _label_axes(upper, "", "on the front (%)")
    _label_axes(lower, "", "effect (points)")
    lower.axhline(0, color=INK, lw=0.8)
    upper.legend(frameon=False, ncols=8, loc="lower left", bbox_to_anchor=(0, 1))
    _mark_stages(lower.xaxis, [upper.axvline, lower.axvline], stages)
    return figure


def plot_history(histories: Mapping[str, pd.DataFrame], score: Score = ACCURACY) -> Figure:
    """Draw the best accuracy and the hypervolume over evaluations.

    Args:
        histories: Frames as `history` returns them, by the names of their runs.
        score: What was measured.
    """
    figure = Figure(figsize=(9, 5), layout="constrained", dpi=120)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for number, (name, frame) in enumerate(histories.items()):
        colour, x = series_colour(number), frame["evaluations"]
        accuracy, best = (drawn_scores(frame[n], score) for n in ("accuracy", "best_accuracy"))
        upper.scatter(x, accuracy, s=6, color=colour, alpha=0.3, lw=0)
        upper.step(x, best, where="post", color=colour, label=name)
        lower.step(x, frame["hypervolume"], where="post", color=colour)
    _label_axes(upper, "", score_label(score, ", best so far"))
    _label_axes(lower, "evaluations", "hypervolume")
    upper.legend(frameon=False, loc="lower right")
    return figure


def plot_policy(
    frame: pd.DataFrame, stages: Sequence[int], label: str = "probability of attaching"
) -> Figure:
    """Draw the probability that a site carries an attention, or its share, step by step.

    Args:
        frame: One row per step, site and choice, as `policy_frame` returns it.
        stages: The numbers of sites of the stages.
        label: What the colours stand for.
    """
    strip = attached_by_step(frame)
    figure = Figure(figsize=(9, 1.5 + 0.15 * len(strip)), layout="constrained", dpi=120)
    axes = figure.subplots()
    sites, steps = strip.shape
    image = axes.imshow(
        strip,
        cmap="cividis",
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, steps - 0.5, sites + 0.5, 0.5),
    )
    figure.colorbar(image, label=label)
    axes.set_xlabel("step of the searcher")
    _mark_stages(axes.yaxis, [axes.axhline], stages)
    return figure


def plot_agreement(frame: pd.DataFrame) -> Figure:
    """Draw estimates of shared weights against accuracies of networks trained alone.

    Args:
        frame: One row per training, as `agreement_frame` returns it.
    """
    figure = Figure(figsize=(6, 5), layout="constrained", dpi=120)
    axes = figure.subplots()
    for number, (kind, part) in enumerate(frame.groupby("kind")):
        estimate, alone = 100 * part["estimate"], 100 * part["alone"]
        colour, marker = series_colour(number), "os"[number]
        axes.scatter(estimate, alone, color=colour, marker=marker, label=str(kind))
    for _, row in frame[frame["note"] != ""].iterrows():
        _annotate(axes, row["note"], 100 * row["estimate"], 100 * row["alone"])
    axes.legend(frameon=False)
    _label_axes(axes, ESTIMATE_LABEL, ALONE_LABEL)
    return figure


def _mark_stages(
    axis: Axis, line_drawers: Sequence[Callable[..., object]], stages: Sequence[int]
) -> None:
    """Name stages along an axis of sites, and draw lines between them."""
    layout = stage_axis(stages)
    axis.set_ticks(layout.middles, layout.names)
    axis.grid(False)
    for draw_line in line_drawers:
        for border in layout.borders:
            draw_line(border, color=FAINT, lw=0.8, ls=":")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to a PNG or SVG file, without the date and version that change its bytes."""
    kind = path.suffix.removeprefix(".")
    without = {"Date" if kind == "svg" else "Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "ean-search"}):
        write_atomically(path, lambda part: figure.savefig(part, format=kind, metadata=without))
