"""A run's figures on paper: draws the frames of its analysis into PNG and SVG files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from ean_search.analysis.figure_layout import CostAxis, axis_labels
from ean_search.analysis.matplotlib_figures import (
    plot_agreement,
    plot_front,
    plot_history,
    plot_policy,
    plot_sites,
    save_figure,
)
from ean_search.analysis.run_analysis import RunAnalysis
from ean_search.analysis.run_folder import Run
from ean_search.analysis.significance import standard_error
from ean_search.core.score import ACCURACY
from ean_search.core.space import Placement
from ean_search.utils.safe_paths import make_folder

FILE_TYPES = ("png", "svg")


def front_picture(
    run: Run, frame: pd.DataFrame, front: pd.DataFrame, images: int | None = None
) -> Figure:
    """Draw a run's front with the placements on it.

    Args:
        run: The run.
        frame: One row per trial, as `Run.frame` returns it.
        front: The members of the front, cheapest first, at least one.
        images: The number of images that accuracies were measured on, for their standard error.
    """
    strips: dict[str, Placement] = {}
    for _, row in front.iloc[::-1].iterrows():
        label = f"{run.score.describe(row['accuracy'], 1)}  {row['note']}".strip()
        strips[_unused_label(label, strips)] = run.find(row["placement"])
    attentions = [attention.name.upper() for attention in run.space.attention]
    title = f"{run.space.name}: {len(frame)} placements evaluated, {len(front)} on the front"
    if images and run.score == ACCURACY:
        error = 100 * standard_error(front["accuracy"].max(), images)
        title += f"; standard error of an accuracy: {error:.1f} points"
    sizes = run.cost_image_sizes() if run.costs_file.is_file() else []
    x = CostAxis(run.cost_axis, axis_labels(sizes)[run.cost_axis], run.score)
    named = frame[frame["note"].isin([*run.space.named]) & frame["accuracy"].notna()]
    return plot_front(frame, front, named, strips, attentions, x=x, title=title)


def _unused_label(label: str, used: dict[str, Placement] | dict[str, pd.DataFrame]) -> str:
    """Return a label that looks the same but is not in use yet."""
    while label in used:
        label += " "
    return label


def write_pictures(analyses: Sequence[RunAnalysis], folder: Path) -> list[Path]:
    """Write the figures of a page as PNG and SVG.

    Args:
        analyses: The runs of the page.
        folder: Where to write; it is made if it does not exist.

    Returns:
        The files.
    """
    make_folder(folder)
    paths = []
    for name, figure in _figures(analyses):
        for file_type in FILE_TYPES:
            paths.append(folder / f"{name}.{file_type}")
            save_figure(figure, paths[-1])
    return paths


def _figures(analyses: Sequence[RunAnalysis]) -> Iterator[tuple[str, Figure]]:
    """Yield what can be drawn; with several runs, the figures of each have its number."""
    histories: dict[str, pd.DataFrame] = {}
    for analysis in analyses:
        if analysis.history is not None:
            histories[_unused_label(analysis.name, histories)] = analysis.history
    if histories:
        yield "history", plot_history(histories, analyses[0].score)
    for number, analysis in enumerate(analyses, 1):
        suffix = f"_{number}" if len(analyses) > 1 else ""
        for name, figure in _run_figures(analysis):
            yield name + suffix, figure


def _run_figures(analysis: RunAnalysis) -> Iterator[tuple[str, Figure]]:
    if analysis.history is None:
        return
    run, stages = analysis.run, analysis.run.space.stages
    images = analysis.summary.get("search_images")
    yield "front", front_picture(run, analysis.trials, analysis.front(), images)
    if analysis.sites is not None:
        yield "sites", plot_sites(analysis.sites, stages)
    if analysis.policy is not None:
        yield "policy", plot_policy(analysis.policy, stages)
    elif analysis.proposals is not None:
        label = "share of the latest proposals"
        yield "proposals", plot_policy(analysis.proposals, stages, label)
    if len(analysis.agreement):
        yield "agreement", plot_agreement(analysis.agreement)
