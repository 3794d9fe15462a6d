"""A run's figures on paper: the frames of its findings, drawn by `plots.py` into PNG and SVG."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from ean_search.analysis import matplotlib_figures as plots
from ean_search.analysis.run_analysis import RunAnalysis
from ean_search.analysis.run_folder import Run

KINDS = ("png", "svg")


def standard_error(accuracy: float, images: int) -> float:
    """Return the standard error of an accuracy on so many images."""
    return math.sqrt(accuracy * (1 - accuracy) / images)


def front_picture(
    run: Run, frame: pd.DataFrame, front: pd.DataFrame, images: int | None = None
) -> Figure:
    """Draw a run's front with the placements on it."""
    strips = {}
    for _, row in front.iloc[::-1].iterrows():
        label = f"{100 * row.accuracy:.1f} %  {row.note}".strip()
        strips.setdefault(label + " " * list(strips).count(label), run.find(row.placement))
    attentions = [attention.name.upper() for attention in run.space.attention]
    title = f"{run.space.name}: {len(frame)} placements evaluated, {len(front)} on the front"
    if images:
        error = 100 * standard_error(front.accuracy.max(), images)
        title += f"; standard error of an accuracy: {error:.1f} points"
    named = frame[frame.note.isin(run.space.named) & frame.accuracy.notna()]
    return plots.plot_front(frame, front, named, strips, attentions, x=run.cost_axis, title=title)


def write_pictures(runs: Sequence[RunAnalysis], folder: Path) -> list[Path]:
    """Write what the page of some runs draws as PNG and SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in _figures(runs):
        for kind in KINDS:
            paths.append(folder / f"{name}.{kind}")
            plots.save_figure(figure, paths[-1])
    return paths


def _figures(runs: Sequence[RunAnalysis]) -> Iterator[tuple[str, Figure]]:
    """Yield what can be drawn; with several runs, each one's figures carry its number."""
    histories: dict[str, pd.DataFrame] = {}
    for run in runs:
        if run.history is not None:
            histories[run.name + " " * sum(run.name in name for name in histories)] = run.history
    if histories:
        yield "history", plots.plot_history(histories)
    for number, run in enumerate(runs, 1):
        tail = f"_{number}" if len(runs) > 1 else ""
        if run.history is None:
            continue
        images = run.summary.get("search_images")
        stages = run.run.space.stages
        yield f"front{tail}", front_picture(run.run, run.trials, run.front(), images)
        yield f"sites{tail}", plots.plot_sites(run.sites, stages)
        if run.policy is not None:
            yield f"policy{tail}", plots.plot_policy(run.policy, stages)
        elif run.proposals is not None:
            label = "share of the latest proposals"
            yield f"proposals{tail}", plots.plot_policy(run.proposals, stages, label)
        if len(run.agreement):
            yield f"agreement{tail}", plots.plot_agreement(run.agreement)
