"""Regret against distinct evaluations, as a figure; frames in, computes nothing."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ean_search.colours import COLOURS, EMPTY, INK

LEAST = 1e-2  # a logarithm has no zero: regret below this is drawn at the bottom
MARKS = "os^Dvx*Ph"


def plot_regret(frame: pd.DataFrame) -> Figure:
    """Draw medians and quartiles of `bench_searchers`, a panel for each number of sites."""
    figure = Figure(figsize=(12, 5), layout="constrained", dpi=120)
    counts = sorted(frame.sites.unique())
    panels = figure.subplots(1, len(counts), squeeze=False)[0]
    for axes, sites in zip(panels, counts, strict=True):
        _draw(axes, frame[frame.sites == sites])
        axes.set_title(f"{sites} sites", loc="left", color=INK, fontsize=11)
    panels[0].set_ylabel("regret (standard deviations of the reward)")
    handles, names = panels[-1].get_legend_handles_labels()
    figure.legend(handles, names, frameon=False, loc="outside right center", fontsize=9)
    return figure


def _draw(axes: Axes, frame: pd.DataFrame) -> None:
    """Draw one panel; colours and marks follow the searchers' names."""
    for i, (name, runs) in enumerate(frame.groupby("searcher")):
        colour = COLOURS[i % len(COLOURS)] if i < len(COLOURS) else INK
        drawn = runs[["lower", "median", "upper"]].clip(lower=LEAST)
        x = runs.evaluations
        axes.fill_between(x, drawn.lower, drawn.upper, color=colour, alpha=0.12, lw=0)
        axes.plot(x, drawn["median"], color=colour, marker=MARKS[i % len(MARKS)], ms=5, label=name)
    axes.set(xscale="log", yscale="log", xlabel="distinct evaluations")
    axes.set_ylim(bottom=0.9 * LEAST)
    ticks = sorted(frame.evaluations.unique())
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=EMPTY)
    axes.set_axisbelow(True)
