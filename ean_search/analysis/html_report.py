"""Writes the page of one run or several: a single HTML file that loads nothing from elsewhere.

`run_analysis.py` computes what the page shows, `plotly_figures.py` draws its figures, and
`templates/` has its text, style and script.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import yaml
from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ean_search.analysis import plotly_figures as figures
from ean_search.analysis.caveats import caveats, has_random_placements, is_conclusive
from ean_search.analysis.figure_layout import axis_labels, strip_cells
from ean_search.analysis.palette import COLOURS
from ean_search.analysis.rank_correlation import rank_correlations
from ean_search.analysis.run_analysis import RunAnalysis
from ean_search.core.live_names import given_placement, is_live
from ean_search.core.score import ACCURACY, Score
from ean_search.utils.files import write_atomically

ATTACHMENT_COST_AXES = ("params", "macs", "flops", "latency_ms", "activation_bytes")
AXIS_DEPENDENT_KEYS = ("x", "y", "text", "customdata", "hovertemplate")  # of a trace
MAX_NAME_LENGTH = 100  # of the file of a page about several runs
MIN_HYPERVOLUME_GROWTH = 1e-9  # less is rounding
REFERENCES = {  # placements that the best one is compared with, and what they are
    "none": "no attention",
    "all": "attention everywhere",
}


def write_report(analyses: Sequence[RunAnalysis], path: Path) -> None:
    """Write the page of one run or several, side by side.

    Args:
        analyses: The runs, at least one; unfinished ones are shown as far as they came.
        path: The HTML file; its folder is made if it does not exist.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = render_page(analyses)
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def render_page(analyses: Sequence[RunAnalysis]) -> str:
    """Return the page as text."""
    loader = PackageLoader("ean_search.analysis")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"cells": strip_cells, "cost": format_cost, "yaml": to_yaml}
    environment.filters["interval"] = format_interval
    problems = [analysis.problems() for analysis in analyses]  # first: reads everything
    drawn = page_figures(analyses)
    return environment.get_template("page.html").render(
        analyses=analyses,
        problems=problems,
        conclusions=[list(conclusions(analysis)) for analysis in analyses],
        next_steps=[next_step(analysis) for analysis in analyses],
        strips=[strip_rows(analysis) for analysis in analyses],
        colours=COLOURS,
        labels=axis_labels([size for a in analyses for size in a.cost_image_sizes]),
        axes=list(drawn["front"]["views"]) if "front" in drawn else [],
        attachment_axes=ATTACHMENT_COST_AXES,
        has_figure=dict.fromkeys(drawn, True),
        figures=_to_script_json(drawn),
        css=Markup(loader.get_source(environment, "page.css")[0]),
        script=Markup(loader.get_source(environment, "page.js")[0]),
        plotly=Markup(get_plotlyjs()),
    )


def page_figures(analyses: Sequence[RunAnalysis]) -> dict[str, dict[str, Any]]:
    """Draw the figures that can be drawn, by their places on the page."""
    drawn: dict[str, dict[str, Any]] = {}
    axes = next((analysis.cost_axes for analysis in analyses if len(analysis.evaluated)), None)
    if axes:
        drawn["front"] = _with_axis_views(partial(figures.front_figure, analyses), axes)
    if any(analysis.history is not None for analysis in analyses):
        drawn["history"] = _to_plain(figures.history_figure(analyses))
    for number, analysis in enumerate(analyses):
        for name, figure in _run_figures(analysis):
            drawn[f"{name}{number}"] = _to_plain(figure)
    return drawn


def _run_figures(analysis: RunAnalysis) -> Iterator[tuple[str, go.Figure]]:
    """Yield the figures that show one run only."""
    if analysis.sites is not None:
        yield "sites", figures.sites_figure(analysis)
    if analysis.policy is not None:
        yield "policy", figures.policy_figure(analysis)
    elif analysis.proposals is not None:
        yield "proposals", figures.proposals_figure(analysis)
    if len(analysis.agreement):
        yield "agreement", figures.agreement_figure(analysis)


def _to_plain(figure: go.Figure) -> dict[str, Any]:
    """Return a figure as plain values, without its template: the page has its own."""
    values: dict[str, Any] = json.loads(figure.update_layout(template=None).to_json())
    return values


def _with_axis_views(draw: Callable[[str], go.Figure], axes: Sequence[str]) -> dict[str, Any]:
    """Draw a figure on its first axis, and add how its traces differ on every axis."""
    drawn = {axis: _to_plain(draw(axis)) for axis in axes}
    figure, views = drawn[axes[0]], {}
    for axis, other in drawn.items():
        pairs = zip(figure["data"], other["data"], strict=True)
        traces = [_view(new, None if axis == axes[0] else first) for first, new in pairs]
        views[axis] = {"traces": traces, "title": other["layout"]["xaxis"]["title"]}
    return figure | {"views": views}


def _view(trace: dict[str, Any], first: dict[str, Any] | None) -> dict[str, Any]:
    """Return what depends on the axis in a trace, as far as it differs from the first axis."""
    return {
        key: trace[key]
        for key in AXIS_DEPENDENT_KEYS
        if key in trace and (first is None or trace[key] != first[key])
    }


def _to_script_json(values: Any) -> Markup:
    """Write JSON that may stand in a page: nothing in it can end the script that holds it."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def strip_rows(analysis: RunAnalysis) -> list[dict[str, Any]]:
    """Return the placements that are shown as strips: the front, best first, then named ones."""
    space_names = analysis.run.space.named if analysis.fields else {}
    names: dict[str, list[str]] = {}
    for name, placement in space_names.items():
        names.setdefault(str(placement), []).append(name)
    front = analysis.front().iloc[::-1].assign(member=True)
    is_named = analysis.evaluated["placement"].isin([*names])
    named = analysis.evaluated[is_named].assign(member=False)
    rows = pd.concat([front, named]) if len(named) else front
    return [
        {
            **{str(key): value for key, value in row.items()},
            "value": analysis.run.space.parse(row["placement"]),
            "names": ", ".join(names.get(row["placement"], [])),
        }
        for row in rows.drop_duplicates("placement").to_dict("records")
    ]


def conclusions(analysis: RunAnalysis) -> Iterator[str]:
    """Yield sentences: what was found, how it compares, and how far to trust it."""
    budget = _total_budget(analysis)
    summary, count = analysis.summary, len(analysis.trials)
    ending = f"; it ended because {summary['ending']}" if "ending" in summary else ""
    yield f"{count} of {budget or 'an unknown number of'} evaluations are done{ending}."
    if len(analysis.comparison):
        yield from _comparison_sentences(analysis)
    yield from caveats(summary)
    if analysis.history is not None:
        growth = analysis.history["hypervolume"].diff().fillna(1)
        evaluations = analysis.history["evaluations"][growth > MIN_HYPERVOLUME_GROWTH]
        yield f"The front last grew at evaluation {int(evaluations.max())} of {count}."
    if len(analysis.agreement):
        taus = rank_correlations(analysis.agreement).items()
        orders = [f"; Kendall's tau of {kind} and estimate: {tau:.2f}" for kind, tau in taus]
        yield f"{len(analysis.agreement)} networks were trained alone{''.join(orders)}."
    elif len(analysis.evaluated):
        command = next_step(analysis)
        yield f"No network was trained alone yet, so nothing here is confirmed; next: {command}"


def next_step(analysis: RunAnalysis) -> str:
    """Return what a user should do next: retrain, or first train longer."""
    if analysis.fields and is_live(analysis.run.space.backbone):
        return "train found.network of search_attention as you train yours"
    if is_conclusive(analysis.summary):
        return f"ean-search retrain {analysis.run.path} --placement best"
    command: str = analysis.summary["next"][-1]
    return command


def _total_budget(analysis: RunAnalysis) -> int | None:
    """Return how many evaluations there will be; None if the experiment cannot be read."""
    budget: int | None = analysis.fields.get("search", {}).get("budget")
    return budget and max(budget, len(set(analysis.run.space.named.values())))


def _comparison_sentences(analysis: RunAnalysis) -> Iterator[str]:
    rows = analysis.comparison.set_index("name").to_dict("index")
    best, random, sites = rows["best"], rows["random"], analysis.run.space.sites
    score = analysis.score
    given = given_placement(analysis.run.space)
    plain = "plain" if given == "none" else "given network's"
    latency_ratio = best["latency_ms"] / rows[given]["latency_ms"]
    yield (
        f"Best: {best['placement']}, {_with_error(best, score)}, attention at "
        f"{best['sites']} of {sites} sites, {latency_ratio:.3f} times the {plain} latency."
    )
    gains = [_gain(best, rows[name], what) for name, what in REFERENCES.items()]
    if has_random_placements(rows):
        deviation = f"(their deviation {100 * random['deviation']:.1f})"
        what = f"random placements of the same count {deviation}"
        gains.append(_gain(best, random, what))
    yield f"In {score.points}: {', '.join(gains)}. {_how_judged(analysis, best)}"


def _gain(best: Mapping[Any, Any], row: Mapping[Any, Any], what: str) -> str:
    """Write what best has before a row in points, with its interval if that is known."""
    gain, found = 100 * (best["accuracy"] - row["accuracy"]), row.get("best_minus_this")
    interval = ""
    if isinstance(found, Mapping):  # a frame has NaN where a row has nothing
        interval = f" ({100 * found['low']:+.1f} to {100 * found['high']:+.1f})"
    return f"{gain:+.1f}{interval} against {what}"


def _how_judged(analysis: RunAnalysis, best: Mapping[Any, Any]) -> str:
    """Say which images judged, and what the best one had on those that chose it."""
    summary, count = analysis.summary, len(analysis.trials)
    if not summary.get("judged_apart"):
        return (
            f"The best of {count} was chosen on the very images that score it here: expect less of "
            "it."
        )
    searched = analysis.score.describe(best["search_accuracy"], 1)
    return (
        f"These figures are of {summary['judge_images']} images that had no part in the search; on "
        f"those that chose it among {count}, the best one had {searched}."
    )


def _with_error(row: Mapping[Any, Any], score: Score) -> str:
    """Write a score of a comparison with its standard error, if that is known."""
    named = score.describe(row["accuracy"], 1)
    text = named if score == ACCURACY else f"{score.name} {named}"
    error = row["standard_error"]
    if error is None or math.isnan(error):
        return text
    size = score.size(error)
    return f"{text} ± {size:.1f} (standard error)" if score.is_share else f"{text} ± {size:.2g}"


def format_cost(row: dict[str, Any], axis: str) -> str:
    """Write one cost of a placement: milliseconds with decimals, other costs without."""
    value = row[axis]
    return f"{value:.3f}" if axis == "latency_ms" else f"{value:,.0f}"


def format_interval(row: dict[str, Any]) -> str:
    """Write how far the first placement of a comparison lies above this one, in points."""
    difference, low, high = (100 * row[name] for name in ("found_minus_this", "low", "high"))
    if math.isnan(low):
        return f"{difference:+.2f} (one seed: no interval)"
    return f"{difference:+.2f} ({low:+.2f} to {high:+.2f})"


def page_path(analyses: Sequence[RunAnalysis]) -> Path:
    """Choose where the page lies: in the folder of its run, or beside the folders of its runs."""
    folders = list(dict.fromkeys(analysis.run.path.absolute() for analysis in analyses))
    if len(folders) == 1:
        return analyses[0].run.report_file
    common = Path(os.path.commonpath([folder.parent for folder in folders]))
    if not os.access(common, os.W_OK):
        common = Path.cwd()
    names = [folder.name for folder in folders]
    if len(set(names)) < len(names):
        names = ["_".join(folder.relative_to(common).parts[-2:]) for folder in folders]
    joined = "-".join(names)
    if len(joined) > MAX_NAME_LENGTH:
        joined = f"{joined[:MAX_NAME_LENGTH]}-{hashlib.sha256(joined.encode()).hexdigest()[:8]}"
    page = common / f"report-{joined}.html"
    return page.relative_to(Path.cwd()) if page.is_relative_to(Path.cwd()) else page


def to_yaml(values: Any) -> str:
    """Write plain values for reading."""
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
