"""Writes the page of one or several runs: a single file that needs nothing from outside.

What it shows comes from `findings.py`, its figures from `figures.py`, its looks from `page/`.
"""

import json
from collections.abc import Callable, Iterator, Sequence
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
from ean_search.analysis.matplotlib_figures import GAP, LABELS, strip_cells
from ean_search.analysis.palette import COLOURS
from ean_search.analysis.rank_correlation import rank_correlations
from ean_search.analysis.run_analysis import RunAnalysis
from ean_search.utils.files import write_whole

PRICED = ("params", "macs", "flops", "latency_ms", "activation_bytes")  # of one attachment
VIEW = ("x", "y", "text", "customdata", "hovertemplate")  # of a trace: what another axis changes


def write_report(runs: Sequence[RunAnalysis], path: Path) -> None:
    """Write the page of some runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = render(runs)
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def render(runs: Sequence[RunAnalysis]) -> str:
    """Return the page as text."""
    environment = Environment(
        loader=PackageLoader("ean_search.analysis"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cells": strip_cells, "cost": placement_cost, "yaml": as_yaml}
    read = partial(environment.loader.get_source, environment)
    missing = [run.missing() for run in runs]  # first: it finds out what can be shown
    drawn = page_figures(runs)
    return environment.get_template("page.html").render(
        runs=runs,
        missing=missing,
        verdicts=[list(verdict(run)) for run in runs],
        strips=[strip_rows(run) for run in runs],
        colours=COLOURS,
        gap=GAP,
        labels=LABELS,
        axes=list(drawn["front"]["views"]) if "front" in drawn else [],
        priced=PRICED,
        figures_there=dict.fromkeys(drawn, True),
        figures=_as_json(drawn),
        css=Markup(read("page.css")[0]),
        script=Markup(read("page.js")[0]),
        plotly=Markup(get_plotlyjs()),
    )


def page_figures(runs: Sequence[RunAnalysis]) -> dict[str, Any]:
    """Gather the figures that can be drawn, by the name of their place on the page."""
    found: dict[str, Any] = {}
    axes = next((run.axes for run in runs if len(run.measured)), None)
    if axes:
        found["front"] = _switchable(partial(figures.front_figure, runs), axes)
    if any(run.history is not None for run in runs):
        found["history"] = _plain(figures.history_figure(runs))
    for number, run in enumerate(runs):
        if run.sites is not None:
            found[f"sites{number}"] = _plain(figures.sites_figure(run))
        if run.policy is not None:
            found[f"policy{number}"] = _plain(figures.policy_figure(run))
        elif run.proposals is not None:
            found[f"proposals{number}"] = _plain(figures.proposals_figure(run))
        if len(run.agreement):
            found[f"agreement{number}"] = _plain(figures.agreement_figure(run))
    return found


def _plain(figure: go.Figure) -> dict[str, Any]:
    """Return a figure as plain values, without the template: the page has its own."""
    return json.loads(figure.update_layout(template=None).to_json())


def _switchable(draw: Callable[[str], go.Figure], axes: Sequence[str]) -> dict[str, Any]:
    """Return a figure, and what changes in its traces with the axis."""
    drawn = {axis: _plain(draw(axis)) for axis in axes}
    figure = drawn[axes[0]]
    views = {}
    for axis, other in drawn.items():
        pairs = zip(figure["data"], other["data"], strict=True)
        traces = [
            {
                key: new[key]
                for key in VIEW
                if key in new and (axis == axes[0] or new[key] != old[key])
            }
            for old, new in pairs
        ]
        views[axis] = {"traces": traces, "title": other["layout"]["xaxis"]["title"]}
    return figure | {"views": views}


def _as_json(value: Any) -> Markup:
    """Write JSON that may stand in a page: nothing in it can end the script it stands in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def strip_rows(run: RunAnalysis) -> list[dict[str, Any]]:
    """List the placements shown as strips: the front's members, best first, then the named ones."""
    names = run.run.space.named if run.fields else {}
    titles: dict[str, list[str]] = {}
    for name, placement in names.items():
        titles.setdefault(str(placement), []).append(name)
    front = run.front().iloc[::-1].assign(member=True)
    named = run.measured[run.measured.placement.isin(titles)].assign(member=False)
    rows = pd.concat([front, named]) if len(named) else front
    rows = rows.drop_duplicates("placement").to_dict("records")
    return [
        row
        | {"value": run.run.space.parse(row["placement"])}
        | {"names": ", ".join(titles.get(row["placement"], []))}
        for row in rows
    ]


def verdict(run: RunAnalysis) -> Iterator[str]:
    """Say in words what was found, how it compares, and how far to trust it."""
    budget = run.fields.get("search", {}).get("budget")
    ending = f"; it ended because {run.summary['ending']}" if "ending" in run.summary else ""
    yield f"{len(run.trials)} of {budget or 'an unknown number of'} evaluations are done{ending}."
    if len(run.comparison):
        yield from _compare(run)
    if run.history is not None:
        grew = run.history.hypervolume.diff().fillna(1).gt(1e-9)  # more than rounding
        last = int(run.history.evaluations[grew].max())
        yield f"The front last grew at evaluation {last} of {len(run.trials)}."
    if len(run.agreement):
        taus = rank_correlations(run.agreement).items()
        orders = [f"; Kendall's tau of {kind} and estimate: {tau:.2f}" for kind, tau in taus]
        yield f"{len(run.agreement)} networks were trained alone{''.join(orders)}."
    elif len(run.measured):
        yield (
            "No network was trained alone yet, so nothing here is confirmed: "
            f"ean-search retrain {run.run.path} --placement best"
        )


def _compare(run: RunAnalysis) -> Iterator[str]:
    rows = run.comparison.set_index("name")
    best, sites = rows.loc["best"], run.run.space.sites
    yield (
        f"Best: {best.placement}, {100 * best.accuracy:.1f} % ± {100 * best.standard_error:.1f} "
        f"(standard error), attention at {best.sites} of {sites} sites, "
        f"{best.latency_ms / rows.loc['none'].latency_ms:.3f} times the plain latency."
    )
    gains = {name: 100 * (best.accuracy - rows.loc[name].accuracy) for name in AGAINST}
    told = ", ".join(f"{gains[name]:+.1f} against {what}" for name, what in AGAINST.items())
    yield (
        f"In points: {told} (their deviation {100 * rows.loc['random'].deviation:.1f}). The best "
        f"of {len(run.trials)} was chosen on the very images that score it here: expect less of it."
    )


AGAINST = {
    "none": "no attention",
    "all": "attention everywhere",
    "random": "random placements of the same count",
}


def placement_cost(row: dict[str, Any], axis: str) -> str:
    """Write one cost of a placement."""
    value = row[axis]
    return f"{value:.3f}" if axis == "latency_ms" else f"{value:,.0f}"


def as_yaml(value: Any) -> str:
    """Write plain values for reading."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
