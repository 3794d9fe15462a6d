"""Regret against rounds of evaluation, as a figure; frames in, computes nothing."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ean_search.analysis.palette import COLOURS, EMPTY, FAINT, INK

LEAST = 1e-2  # a logarithm has no zero: regret below this is drawn at the bottom
INKS = (*COLOURS, INK, FAINT)
MARKS = "os^Dvx*Ph"
COLUMNS = 3  # of panels
TICKS = [step * 10**power for power in range(4) for step in (1, 2, 3, 5)]


def plot_regret(frame: pd.DataFrame) -> Figure:
    """Draw medians and quartiles of `bench_searchers`, a panel a task and number of workers."""
    shown = frame[["task", "workers"]].drop_duplicates().to_numpy().tolist()
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(4.6 * columns + 1.6, 4 * rows), layout="constrained", dpi=110)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    names = list(frame.searcher.unique())
    for axes, (task, workers) in zip(panels, shown, strict=False):
        _draw(axes, frame[(frame.task == task) & (frame.workers == workers)], names)
        title = task if workers == 1 else f"{task}, {workers} workers"
        axes.set_title(title, loc="left", color=INK, fontsize=11)
        axes.set_xlabel("distinct evaluations" if workers == 1 else "rounds of evaluation")
        axes.set_ylabel("regret (standard deviations)")
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    lines = {line.get_label(): line for axes in figure.axes for line in axes.lines}
    listed = [name for name in names if name in lines]
    handles = [lines[name] for name in listed]
    figure.legend(handles, listed, frameon=False, loc="outside right center", fontsize=9)
    return figure


def _draw(axes: Axes, frame: pd.DataFrame, names: list[str]) -> None:
    """Draw one panel; colours and marks follow the searchers' order."""
    for i, name in enumerate(names):
        runs = frame[frame.searcher == name]
        if runs.empty:
            continue
        colour = INKS[i % len(INKS)]
        drawn = runs[["lower", "median", "upper"]].clip(lower=LEAST)
        x = runs.evaluations if (runs.workers == 1).all() else runs.rounds
        axes.fill_between(x, drawn.lower, drawn.upper, color=colour, alpha=0.08, lw=0)
        axes.plot(x, drawn["median"], color=colour, marker=MARKS[i % len(MARKS)], ms=4, label=name)
    axes.set(xscale="log", yscale="log")
    low, high = axes.get_xlim()
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_ylim(bottom=0.9 * LEAST)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=EMPTY)
    axes.set_axisbelow(True)
