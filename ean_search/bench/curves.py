"""Regret against rounds of evaluation, as a figure; frames in, computes nothing."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ean_search.plots import COLOURS, EMPTY, INK

LEAST = 1e-2  # a logarithm has no zero: regret below this is drawn at the bottom
MARKS = "os^Dvx*Ph"


def plot_regret(frame: pd.DataFrame) -> Figure:
    """Draw medians and quartiles of `bench_searchers`: a column a task, a row a worker count."""
    tasks, counts = frame.task.unique(), sorted(frame.workers.unique())
    size = (4.5 * len(tasks) + 2, 3.8 * len(counts) + 0.6)
    figure = Figure(figsize=size, layout="constrained", dpi=120)
    panels = figure.subplots(len(counts), len(tasks), squeeze=False)
    names = sorted(frame.searcher.unique())
    for row, workers in zip(panels, counts, strict=True):
        for axes, task in zip(row, tasks, strict=True):
            _draw(axes, frame[(frame.task == task) & (frame.workers == workers)], names)
            title = task if workers == 1 else f"{task}, {workers} workers"
            axes.set_title(title, loc="left", color=INK, fontsize=11)
            axes.set_xlabel("distinct evaluations" if workers == 1 else "rounds of evaluation")
        row[0].set_ylabel("regret (standard deviations)")
    # Not every searcher is in every panel.
    drawn = {line.get_label(): line for axes in panels.flat for line in axes.lines}
    ordered = sorted(drawn)
    lines = [drawn[name] for name in ordered]
    figure.legend(lines, ordered, frameon=False, loc="outside right center", fontsize=9)
    return figure


def _draw(axes: Axes, frame: pd.DataFrame, names: list[str]) -> None:
    """Draw one panel; colours and marks follow the searchers' names."""
    for i, name in enumerate(names):
        runs = frame[frame.searcher == name]
        if runs.empty:
            continue
        colour = COLOURS[i % len(COLOURS)] if i < len(COLOURS) else INK
        drawn = runs[["lower", "median", "upper"]].clip(lower=LEAST)
        x = runs.rounds
        axes.fill_between(x, drawn.lower, drawn.upper, color=colour, alpha=0.12, lw=0)
        axes.plot(x, drawn["median"], color=colour, marker=MARKS[i % len(MARKS)], ms=4, label=name)
    axes.set(xscale="log", yscale="log")
    axes.set_ylim(bottom=0.9 * LEAST)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=EMPTY)
    axes.set_axisbelow(True)
