"""Regret against evaluations or rounds, as a figure; draws frames and computes nothing."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ean_search.analysis.palette import COLOURS, EMPTY, FAINT, INK

MIN_DRAWN_REGRET = 1e-2  # a logarithm has no zero: less is drawn at the bottom
LINE_COLOURS = (*COLOURS, INK, FAINT)
MARKERS = "os^Dvx*Ph"
PANELS_PER_ROW = 3
TICKS = [step * 10**power for power in range(4) for step in (1, 2, 3, 5)]


def plot_regret(frame: pd.DataFrame) -> Figure:
    """Draw medians and quartiles of regret, one panel per task and number of workers.

    Args:
        frame: The result of `summarise`, or a part of its rows.

    Returns:
        A figure with one legend for all panels; colours follow the searchers' first rows.
    """
    shown = frame[["task", "workers"]].drop_duplicates().to_numpy().tolist()
    names = list(frame.searcher.unique())
    columns = min(PANELS_PER_ROW, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(4.6 * columns + 1.6, 4 * rows), layout="constrained", dpi=110)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, (task, workers) in zip(panels, shown, strict=False):
        _draw(axes, frame[(frame.task == task) & (frame.workers == workers)], names)
        _label(axes, task, workers)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    lines = {line.get_label(): line for axes in figure.axes for line in axes.lines}
    listed = [name for name in names if name in lines]
    handles = [lines[name] for name in listed]
    figure.legend(handles, listed, frameon=False, loc="outside right center", fontsize=9)
    return figure


def _label(axes: Axes, task: str, workers: int) -> None:
    title = task if workers == 1 else f"{task}, {workers} workers"
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.set_xlabel("distinct evaluations" if workers == 1 else "rounds of evaluation")
    axes.set_ylabel("regret (standard deviations)")


def _draw(axes: Axes, frame: pd.DataFrame, names: list[str]) -> None:
    """Draw one panel; colours and markers follow the searchers' order."""
    for number, name in enumerate(names):
        runs = frame[frame.searcher == name]
        if runs.empty:
            continue
        colour = LINE_COLOURS[number % len(LINE_COLOURS)]
        marker = MARKERS[number % len(MARKERS)]
        regret = runs[["lower", "median", "upper"]].clip(lower=MIN_DRAWN_REGRET)
        x = runs.evaluations if (runs.workers == 1).all() else runs.rounds
        axes.fill_between(x, regret.lower, regret.upper, color=colour, alpha=0.08, lw=0)
        axes.plot(x, regret["median"], color=colour, marker=marker, ms=4, label=name)
    _style(axes)


def _style(axes: Axes) -> None:
    """Set logarithmic axes with few ticks, and a faint grid."""
    axes.set(xscale="log", yscale="log")
    low, high = axes.get_xlim()
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_ylim(bottom=0.9 * MIN_DRAWN_REGRET)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=EMPTY)
    axes.set_axisbelow(True)
