"""Tables on the terminal: costs, fronts, comparisons and frames."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import pandas as pd
from rich.console import Console
from rich.table import Table

from ean_search.analysis.caveats import has_random_placements
from ean_search.analysis.run_folder import Run
from ean_search.cli.explain_columns import note_columns
from ean_search.core.score import Score
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Cost
from ean_search.costs.table import CostTable

Row = TypeVar("Row")
Columns = Sequence[tuple[str, Callable[[Row], str]]]  # headers, and how a row fills the column
COST_COLUMNS: Columns[Mapping[str, Any]] = [  # where a row may be the mean of several placements
    ("sites", lambda row: f"{row['sites']:.0f}"),
    ("params", lambda row: f"{row['params']:,.0f}"),
    ("MACs", lambda row: f"{row['macs']:,.0f}"),
    ("FLOPs", lambda row: f"{row['flops']:,.0f}"),
    ("latency ms", lambda row: f"{row['latency_ms']:.3f}"),
    ("x none", lambda row: f"{row['latency_x']:.3f}x"),
]
WIDTH_WITHOUT_TERMINAL = 200  # characters; a file or a pipe has room for the whole table


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], name: str = "") -> None:
    """Print a table, with columns of figures aligned to the right.

    Args:
        header: The names of the columns.
        rows: The cells of each row.
        name: The table's name in analysis/columns.py; if empty, its columns are not explained.
    """
    if name:
        note_columns(name, header)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, name in enumerate(header):
        figures = all(_is_figure(row[column]) for row in rows)
        table.add_column(name, justify="right" if figures else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.width = max(console.width, 80) if console.is_terminal else WIDTH_WITHOUT_TERMINAL
    console.print(table)


def _is_figure(cell: str) -> bool:
    """Say whether a cell is a figure or empty; placements have digits and dashes."""
    return cell in ("", "-") or (cell[:1].isdigit() and "-" not in cell)


def _print_columns(name: str, columns: Columns[Row], rows: Iterable[Row]) -> None:
    cells = [[write(row) for _, write in columns] for row in rows]
    print_table([header for header, _ in columns], cells, name)


def print_frame(frame: pd.DataFrame, name: str = "") -> None:
    """Print a frame as a table, whose name is one of analysis/columns.py."""
    text = frame.map(lambda value: f"{value:.4g}" if isinstance(value, float) else str(value))
    print_table(list(frame.columns), text.to_numpy().tolist(), name)


def _fate_of_own(space: Space) -> str:
    return "remove" if space.removes_own else "keep"


def print_costs(
    space: Space,
    table: CostTable,
    costs: dict[str, tuple[Placement, Cost]],
    own: Mapping[str, int],
    as_json: bool,
) -> None:
    """Print what placements cost, as a table or as JSON.

    Args:
        space: The space.
        table: Its cost table.
        costs: The placements to print and their costs, by name; `none` is one of them.
        own: How many sites have a module of the backbone's own, by the module's class.
        as_json: Print JSON.
    """
    if as_json:
        about = _describe_costs(space, table, costs)
        about["own_attention"] = {"empty_sites": _fate_of_own(space), "modules": dict(own)}
        print(json.dumps(about, indent=2))
        note_columns("cost", ["name", "placement", *asdict(costs["none"][1])])
        return
    plain = costs["none"][1].latency_ms
    columns: Columns[Any] = [
        ("name", lambda row: "" if row["name"] == row["placement"] else row["name"]),
        ("placement", lambda row: row["placement"]),
        *COST_COLUMNS,
        ("act. MiB", lambda row: f"{row['activation_bytes'] / 2**20:.1f}"),
    ]
    rows = [row | {"latency_x": row["latency_ms"] / plain} for row in _cost_rows(costs)]
    _print_columns("cost", columns, rows)
    for name, count in own.items():
        print(
            f"{count} of {space.sites} sites have the backbone's own {name}: "
            f"a site without attention {_fate_of_own(space)}s it"
        )
    print(f"{table.image_size} px, latency of a batch of {table.batch_size} on {table.hardware}")
    if table.timing:
        doubts = "; ".join(table.timing.doubts)
        print(table.timing.describe() + (f"; not cached: {doubts}" if doubts else ""))
    print(
        "MACs: convolutions and matrix products; FLOPs: fvcore's total, norms and pooling included"
        "\nboth are multiply-adds: a multiplication and its addition count as one, not two"
    )


def _describe_costs(
    space: Space, table: CostTable, costs: dict[str, tuple[Placement, Cost]]
) -> dict[str, Any]:
    return {
        "space": space.name,
        "attention": [choice.model_dump() for choice in space.attention],
        "sharing": space.sharing,
        "image_size": table.image_size,
        "latency_batch": table.batch_size,
        "hardware": table.hardware,
        "timing": _describe_timing(table),
        "placements": _cost_rows(costs),
    }


def _cost_rows(costs: dict[str, tuple[Placement, Cost]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "placement": str(placement), **asdict(cost)}
        for name, (placement, cost) in costs.items()
    ]


def _describe_timing(table: CostTable) -> dict[str, Any] | None:
    if table.timing is None:
        return None
    about = {"age": table.timing.age(), "doubts": table.timing.doubts}
    return asdict(table.timing) | about


def print_comparison(frame: pd.DataFrame, table: CostTable, metric: str = "test") -> None:
    """Print how several placements did after training; the first is the one that was found."""
    rows = frame.to_dict("records")
    found = rows[0]
    columns: Columns[Any] = [
        ("", lambda row: row["name"]),
        ("placement", lambda row: "their mean" if " " in row["placement"] else row["placement"]),
        (f"{metric} %", lambda row: f"{100 * row['accuracy']:.2f}"),
        ("sd", lambda row: f"{100 * row['deviation']:.2f}"),
        (f"{found['name']} minus this (95 %)", lambda r: "" if r is found else _interval(r)),
        *COST_COLUMNS,
    ]
    _print_columns("retrained", columns, rows)
    print(
        f"{found['seeds']} seeds each, paired; {table.image_size} px, latency of a batch of "
        f"{table.batch_size}, measured in turn on {table.hardware}"
    )


def _interval(row: dict[str, Any]) -> str:
    low, high = 100 * row["low"], 100 * row["high"]
    return f"{100 * row['found_minus_this']:+.2f} ({low:+.2f} to {high:+.2f})"


def print_summary(run: Run, summary: dict[str, Any]) -> None:
    """Print a run's front, its comparison, and what to type next."""
    axis, trials = summary["cost_axis"], summary["trials"]
    score = run.score
    print(f"\nfront of {score.name} against {axis} ({trials} placements evaluated)")
    _print_columns("front", front_columns(score), summary["front"])
    how = "shared weights" if run.fields["search"]["evaluator"] == "shared" else "trained alone"
    print(f"\njudged {_judging_images(summary)}{how}")
    comparison = dict(summary["comparison"])
    if not has_random_placements(comparison):
        comparison.pop("random", None)  # a note says so
    _print_columns("compared", comparison_columns(score), comparison.items())
    if summary.get("verified"):
        print("\ntrained stand-alone for a short schedule, on the search images")
        _print_columns("verified", VERIFIED_COLUMNS, summary["verified"])
    for note in summary.get("notes", []):
        print(f"\nnote: {note}")
    print(f"\n{run.front_picture}\nnext:")
    for command in summary["next"]:
        print(f"  {command}")


def _judging_images(summary: dict[str, Any]) -> str:
    """Say on which images a comparison was made; nothing where that has no meaning."""
    if not summary.get("search_images"):
        return ""
    if not summary.get("judged_apart"):
        return f"on the {summary['search_images']} images that chose, "
    images = f"{summary['judge_images']} images apart from the {summary['search_images']}"
    return f"on {images} that chose, "


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def _name_compared(row: dict[str, Any]) -> str:
    return row["placement"] if "placement" in row else f"mean of {len(row['placements'])}"


def front_columns(score: Score) -> Columns[dict[str, Any]]:
    """Return the columns of a front."""
    return [
        ("placement", lambda row: row["placement"]),
        (score.column, lambda row: score.describe_number(row["accuracy"])),
        ("judged", lambda row: _judged(row, score)),
        ("sites", lambda row: str(row["sites"])),
        ("latency ms", lambda row: f"{row['latency_ms']:.3f}"),
        ("measured", lambda row: f"{row['latency_measured_x']:.3f}x"),
        ("", lambda row: "" if row.get("measured_keeps_limits", True) else "!"),
        ("name", lambda row: row["note"]),
    ]


def comparison_columns(score: Score) -> Columns[tuple[str, dict[str, Any]]]:
    """Return the columns of a comparison, of which a row is a name and its values."""
    return [
        ("", lambda item: item[0]),
        ("placement", lambda item: _name_compared(item[1])),
        (score.column, lambda item: score.describe_number(item[1]["accuracy"])),
        ("+-", lambda item: _error(item[1].get("standard_error", item[1].get("deviation")), score)),
        ("in search", lambda item: _in_search(item[1], score)),
        ("best minus this", lambda item: _best_minus(item[1].get("best_minus_this"), score)),
        ("sites", lambda item: str(item[1]["sites"])),
        ("latency ms", lambda item: f"{item[1]['latency_ms']:.3f}"),
    ]


def _judged(row: dict[str, Any], score: Score) -> str:
    """Write a member's judged score; ~ where it cannot be told from the cheaper one before it."""
    if "judged_accuracy" not in row:
        return "-"
    mark = "" if row["told_apart"] else " ~"
    return score.describe_number(row["judged_accuracy"]) + mark


def _in_search(row: dict[str, Any], score: Score) -> str:
    searched = row.get("search_accuracy")
    return "-" if searched is None else score.describe_number(searched)


def _best_minus(difference: dict[str, float] | None, score: Score) -> str:
    if difference is None:
        return ""
    middle, low, high = (score.size(difference[key]) for key in ("difference", "low", "high"))
    return f"{middle:+.2f} ({low:+.2f} to {high:+.2f})"


def _error(error: float | None, score: Score) -> str:
    if error is None:
        return "-"
    return f"{score.size(error):.2f}" if score.is_share else f"{score.size(error):.2g}"


VERIFIED_COLUMNS: Columns[dict[str, Any]] = [
    ("placement", lambda row: row["placement"]),
    ("accuracy %", lambda row: _percent(row["accuracy"])),
    ("in the search", lambda row: _percent(row["search_accuracy"])),
    ("reward", lambda row: f"{row['reward']:.4f}"),
    ("latency ms", lambda row: f"{row['latency_ms']:.3f}"),
    ("note", lambda row: row["note"]),
]
