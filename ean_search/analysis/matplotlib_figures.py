"""Frames in, figures out; computes nothing and knows no run folder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ean_search.analysis.palette import COLOURS, EMPTY, FAINT, INK
from ean_search.core.space import Placement

LABELS = {
    "latency_ms": "latency (ms)",
    "flops": "FLOPs (fvcore)",
    "macs": "multiply-adds",
    "params": "parameters",
    "sites": "attached sites",
    "activation_bytes": "activation bytes",
}
GAP = 0.6  # between the stages of a strip, in cells
ROWS = 8  # a strip is never taller than an eighth of its axes


def plot_front(
    frame: pd.DataFrame,
    front: pd.DataFrame,
    named: pd.DataFrame,
    strips: Mapping[str, Placement],
    attentions: Sequence[str],
    *,
    x: str = "latency_ms",
    title: str = "",
) -> Figure:
    """Draw accuracy against a cost, and beside it where the front's members attach."""
    figure = Figure(figsize=(12, 5.2), layout="constrained", dpi=120)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_trials(left, frame, front, named, x)
    draw_strips(right, strips, attentions)
    figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=12)
    return figure


def _draw_trials(
    axes: Axes, frame: pd.DataFrame, front: pd.DataFrame, named: pd.DataFrame, x: str
) -> None:
    done = frame[frame.accuracy.notna()]
    axes.scatter(done[x], 100 * done.accuracy, s=18, color=FAINT, label="evaluated")
    axes.step(front[x], 100 * front.accuracy, where="post", color=COLOURS[0], lw=1.4)
    axes.scatter(front[x], 100 * front.accuracy, s=36, color=COLOURS[0], zorder=3, label="front")
    axes.scatter(
        *(named[x], 100 * named.accuracy),
        **{"s": 70, "marker": "s", "facecolors": "none", "edgecolors": COLOURS[5], "zorder": 4},
        label="named",
    )
    for _, row in named.iterrows():
        _annotate(axes, row.note, row[x], 100 * row.accuracy)
    _clear(axes, LABELS.get(x, x), "accuracy on the search split (%)")
    axes.legend(frameon=False, loc="lower right")


def _clear(axes: Axes, x: str, y: str) -> None:
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=EMPTY)
    axes.set_axisbelow(True)


def _annotate(axes: Axes, text: str, x: float, y: float) -> None:
    axes.annotate(
        text, (x, y), xytext=(6, 5), textcoords="offset points", fontsize=8, color=COLOURS[5]
    )


def strip_cells(placement: Placement) -> list[tuple[float, int]]:
    """Give every site's place in a strip, with gaps between stages, and its choice."""
    counts = enumerate(placement.stages)
    gaps = (GAP * stage for stage, count in counts for _ in range(count))
    return [(site + gap, placement.choices[site]) for site, gap in enumerate(gaps)]


def draw_strips(axes: Axes, strips: Mapping[str, Placement], attentions: Sequence[str]) -> None:
    """Draw placements as rows of cells in network order, coloured by attention."""
    for row, placement in enumerate(strips.values()):
        for start, choice in strip_cells(placement):
            colour = COLOURS[(choice - 1) % len(COLOURS)] if choice else EMPTY
            axes.add_patch(Rectangle((start, row + 0.12), 0.9, 0.76, color=colour))
    stages = next(iter(strips.values())).stages if strips else ()
    axes.set_xlim(0, sum(stages) + GAP * len(stages))
    axes.set_ylim(max(len(strips), ROWS), 0)
    axes.set_yticks([row + 0.5 for row in range(len(strips))], list(strips), fontsize=8)
    starts = [sum(stages[:s]) + GAP * s for s in range(len(stages))]
    axes.set_xticks(
        [start + count / 2 for start, count in zip(starts, stages, strict=True)],
        [f"stage {s + 1}" for s in range(len(stages))],
        fontsize=8,
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    handles = [Rectangle((0, 0), 1, 1, color=COLOURS[k]) for k in range(len(attentions))]
    axes.legend(
        handles, attentions, frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1)
    )


def plot_sites(frame: pd.DataFrame, stages: Sequence[int]) -> Figure:
    """Draw how often the front uses each site, and what attaching there went with."""
    figure = Figure(figsize=(9, 5), layout="constrained", dpi=120)
    upper, lower = figure.subplots(2, 1, sharex=True)
    count = frame.choice.max()
    for choice, cells in frame.groupby("choice"):
        colour, name = COLOURS[(choice - 1) % len(COLOURS)], cells.attention.iloc[0].upper()
        x = cells.site + 1 + 0.8 * ((choice - 0.5) / count - 0.5)
        upper.bar(x, 100 * cells.front_share, 0.8 / count, color=colour, label=name)
        half = 100 * (cells.high - cells.effect)
        lower.errorbar(x, 100 * cells.effect, half, fmt="o", ms=4, color=colour)
    _clear(upper, "", "on the front (%)")
    _clear(lower, "", "effect (points)")
    lower.axhline(0, color=INK, lw=0.8)
    upper.legend(frameon=False, ncols=8, loc="lower left", bbox_to_anchor=(0, 1))
    _mark_stages(lower.xaxis, [upper.axvline, lower.axvline], stages)
    return figure


def plot_history(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw the best accuracy and the hypervolume over evaluations."""
    figure = Figure(figsize=(9, 5), layout="constrained", dpi=120)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for number, (name, frame) in enumerate(histories.items()):
        colour, x = COLOURS[number % len(COLOURS)], frame.evaluations
        upper.scatter(x, 100 * frame.accuracy.astype(float), s=6, color=colour, alpha=0.3, lw=0)
        upper.step(x, 100 * frame.best_accuracy, where="post", color=colour, label=name)
        lower.step(x, frame.hypervolume, where="post", color=colour)
    _clear(upper, "", "accuracy, best so far (%)")
    _clear(lower, "evaluations", "hypervolume")
    upper.legend(frameon=False, loc="lower right")
    return figure


def plot_policy(
    frame: pd.DataFrame, stages: Sequence[int], label: str = "probability of attaching"
) -> Figure:
    """Draw the probability that a site carries an attention, or its share, step by step."""
    attached = frame[frame.choice > 0]
    strip = attached.pivot_table(index="site", columns="step", values="probability", aggfunc="sum")
    figure = Figure(figsize=(9, 1.5 + 0.15 * len(strip)), layout="constrained", dpi=120)
    axes = figure.subplots()
    steps, sites = strip.shape[1], strip.shape[0]
    extent = (-0.5, steps - 0.5, sites + 0.5, 0.5)
    look = {"cmap": "cividis", "vmin": 0, "vmax": 1, "aspect": "auto", "interpolation": "nearest"}
    figure.colorbar(axes.imshow(strip, extent=extent, **look), label=label)
    axes.set_xlabel("step of the searcher")
    _mark_stages(axes.yaxis, [axes.axhline], stages)
    return figure


def plot_agreement(frame: pd.DataFrame) -> Figure:
    """Draw estimates of shared weights against accuracies of networks trained alone."""
    figure = Figure(figsize=(6, 5), layout="constrained", dpi=120)
    axes = figure.subplots()
    for number, (kind, part) in enumerate(frame.groupby("kind")):
        look = {"color": COLOURS[number], "marker": "os"[number], "label": kind}
        axes.scatter(100 * part.estimate, 100 * part.alone, **look)
    for row in frame[frame.note != ""].itertuples():
        _annotate(axes, row.note, 100 * row.estimate, 100 * row.alone)
    axes.legend(frameon=False)
    _clear(axes, "estimate with shared weights (%)", "accuracy trained alone (%)")
    return figure


def plot_maps(
    images: np.ndarray,
    labels: Sequence[int],
    maps: Mapping[str, np.ndarray],
    answers: pd.DataFrame,
    *,
    title: str = "",
) -> Figure:
    """Draw images, a row each, and over them what every network looks at, with its answer."""
    size = (1.9 * (len(maps) + 1), 0.6 + 2.1 * len(images))
    figure = Figure(figsize=size, layout="constrained", dpi=100)
    panels = figure.subplots(len(images), len(maps) + 1, squeeze=False)
    told = answers.set_index(["network", "image"])
    for number, (row, image, label) in enumerate(zip(panels, images, labels, strict=True)):
        row[0].imshow(image)
        row[0].set_title(f"label {label}", fontsize=8)
        for axes, (name, heat) in zip(row[1:], maps.items(), strict=True):
            axes.imshow(image)
            axes.imshow(heat[number], cmap="inferno", alpha=0.5, vmin=0, vmax=1)
            answer, share = told.loc[(name, number), ["answer", "probability"]]
            right = "" if answer == label else ", wrong"
            text = f"says {answer:.0f}{right}\nlabel at {share:.2f}"
            axes.set_title(f"{name}\n{text}" if number == 0 else text, fontsize=8)
    for axes in panels.flat:
        axes.axis("off")
    figure.suptitle(title, fontsize=9, color=INK)
    return figure


def _mark_stages(axis: Axis, lines: Sequence[Callable], stages: Sequence[int]) -> None:
    """Name stages along an axis of sites, and draw lines between them."""
    ends = [sum(stages[: i + 1]) for i in range(len(stages))]
    middles = [end - (count - 1) / 2 for end, count in zip(ends, stages, strict=True)]
    axis.set_ticks(middles, [f"stage {i + 1}" for i in range(len(stages))])
    axis.grid(False)
    for draw in lines:
        for end in ends[:-1]:
            draw(end + 0.5, color=FAINT, lw=0.8, ls=":")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure without the marks of time that would change its bytes."""
    with matplotlib.rc_context({"svg.hashsalt": "ean-search"}):
        figure.savefig(path, metadata={"Date" if path.suffix == ".svg" else "Software": None})
