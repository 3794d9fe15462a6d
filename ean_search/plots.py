"""Frames in, figures out; computes nothing and knows no run folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ean_search.space import Placement

LABELS = {
    "latency_ms": "latency (ms)",
    "flops": "FLOPs (fvcore)",
    "macs": "multiply-adds",
    "params": "parameters",
    "sites": "attached sites",
    "activation_bytes": "activation bytes",
}
# Okabe and Ito's colours: told apart with any colour vision.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
GAP = 0.6  # between the stages of a strip, in cells
ROWS = 8  # a strip is never taller than an eighth of its axes
INK, FAINT, EMPTY = "#333333", "#b8b8b8", "#ececec"


def plot_front(
    frame: pd.DataFrame,
    front: pd.DataFrame,
    strips: Mapping[str, Placement],
    attentions: Sequence[str],
    *,
    x: str = "latency_ms",
    title: str = "",
) -> Figure:
    """Draw accuracy against a cost, and beside it where the front's members attach."""
    figure = Figure(figsize=(12, 5.2), layout="constrained", dpi=120)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_trials(left, frame, front, x)
    draw_strips(right, strips, attentions)
    figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=12)
    return figure


def _draw_trials(axes: Axes, frame: pd.DataFrame, front: pd.DataFrame, x: str) -> None:
    done = frame[frame.accuracy.notna()]
    axes.scatter(done[x], 100 * done.accuracy, s=18, color=FAINT, label="evaluated")
    axes.step(front[x], 100 * front.accuracy, where="post", color=COLOURS[0], lw=1.4)
    axes.scatter(front[x], 100 * front.accuracy, s=36, color=COLOURS[0], zorder=3, label="front")
    named = done[done.note != ""]
    axes.scatter(
        *(named[x], 100 * named.accuracy),
        **{"s": 70, "marker": "s", "facecolors": "none", "edgecolors": COLOURS[5], "zorder": 4},
        label="named",
    )
    for _, row in named.iterrows():
        _annotate(axes, row.note, row[x], 100 * row.accuracy)
    axes.set(xlabel=LABELS.get(x, x), ylabel="accuracy on the search split (%)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=EMPTY)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="lower right")


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


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure without the marks of time that would change its bytes."""
    with matplotlib.rc_context({"svg.hashsalt": "ean-search"}):
        figure.savefig(path, metadata={"Software": None})
