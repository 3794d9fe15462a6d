"""Tables on the terminal: costs, fronts, comparisons and frames."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from ean_search.analysis.run_folder import Run
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Cost
from ean_search.costs.table import CostTable


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; figures to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, name in enumerate(header):
        figures = all(row[column][:1].isdigit() or row[column] in ("", "-") for row in rows)
        plain = figures and not any(row[column].count("-") for row in rows)
        table.add_column(name, justify="right" if plain else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.width = max(console.width, 80) if console.is_terminal else 200
    console.print(table)


def print_frame(frame: pd.DataFrame) -> None:
    """Print a frame as a table."""
    text = frame.map(lambda value: f"{value:.4g}" if isinstance(value, float) else str(value))
    print_table(list(frame.columns), text.to_numpy().tolist())


def print_costs(
    space: Space, table: CostTable, costs: dict[str, tuple[Placement, Cost]], as_json: bool
) -> None:
    """Print what placements cost, as a table or as JSON."""
    about = {
        "space": space.name,
        "attention": [choice.model_dump() for choice in space.attention],
        "sharing": space.sharing,
        "image_size": table.image_size,
        "latency_batch": table.batch_size,
        "hardware": table.hardware,
    }
    if as_json:
        rows = [{"name": n, "placement": str(p), **asdict(c)} for n, (p, c) in costs.items()]
        print(json.dumps(about | {"placements": rows}, indent=2))
        return
    plain = costs["none"][1]
    rows = [
        [
            *(name if name != str(placement) else "", str(placement), str(cost.sites)),
            *(f"{cost.params:,}", f"{cost.macs:,}", f"{cost.flops:,}"),
            *(f"{cost.latency_ms:.3f}", f"{cost.latency_ms / plain.latency_ms:.3f}x"),
            f"{cost.activation_bytes / 2**20:.1f}",
        ]
        for name, (placement, cost) in costs.items()
    ]
    header = ["name", "placement", "sites", "params", "MACs", "FLOPs", "latency ms", "", "act. MiB"]
    print_table(header, rows)
    print(f"{table.image_size} px, latency of a batch of {table.batch_size} on {table.hardware}")
    print(
        "MACs: convolutions and matrix products; FLOPs: fvcore's total, norms and pooling included"
    )


def print_comparison(frame: pd.DataFrame, table: CostTable, metric: str = "test") -> None:
    """Print what retraining made of several placements."""
    rows = [
        [
            *(row["name"], row.placement if " " not in row.placement else "their mean"),
            *(f"{100 * row.accuracy:.2f}", f"{100 * row.deviation:.2f}"),
            "" if number == 0 else _interval(row),
            *(f"{row.sites:.0f}", f"{row.params:,.0f}", f"{row.macs:,.0f}", f"{row.flops:,.0f}"),
            *(f"{row.latency_ms:.3f}", f"{row.latency_x:.3f}x"),
        ]
        for number, row in frame.iterrows()
    ]
    versus = f"{frame['name'][0]} minus this (95 %)"
    header = ["", "placement", f"{metric} %", "sd", versus, "sites", "params", "MACs", "FLOPs"]
    print_table([*header, "latency ms", ""], rows)
    print(
        f"{frame.seeds[0]} seeds each, paired; {table.image_size} px, latency of a batch of "
        f"{table.batch_size}, measured in turn on {table.hardware}"
    )


def _interval(row: pd.Series) -> str:
    return f"{100 * row.found_minus_this:+.2f} ({100 * row.low:+.2f} to {100 * row.high:+.2f})"


def print_summary(run: Run, summary: dict[str, Any]) -> None:
    """Print a run's front, its comparison, and what to type next."""
    axis = summary["cost_axis"]
    rows = [
        [
            *(row["placement"], f"{100 * row['accuracy']:.2f}", str(row["sites"])),
            *(f"{row['latency_ms']:.3f}", f"{row['latency_measured_x']:.3f}x", row["note"]),
        ]
        for row in summary["front"]
    ]
    print(f"\nfront of accuracy against {axis} ({summary['trials']} placements evaluated)")
    print_table(["placement", "accuracy %", "sites", "latency ms", "measured", "name"], rows)
    rows = [
        [
            *(name, row.get("placement", f"mean of {len(row.get('placements', ()))}")),
            *(f"{100 * row['accuracy']:.2f}", f"{100 * _spread(row):.2f}"),
            *(str(row["sites"]), f"{row['latency_ms']:.3f}"),
        ]
        for name, row in summary["comparison"].items()
    ]
    print(f"\nevaluated once more on {summary['search_images']} search images, shared weights")
    print_table(["", "placement", "accuracy %", "+-", "sites", "latency ms"], rows)
    if summary.get("verified"):
        _print_verified(summary["verified"])
    print(f"\n{run.front_picture}\nnext:")
    for command in summary["next"]:
        print(f"  {command}")


def _print_verified(rows: Sequence[dict[str, Any]]) -> None:
    """Print the best placements as stand-alone training ranks them."""
    print("\ntrained stand-alone for a short schedule, on the search images")
    header = ["placement", "accuracy %", "in the search", "reward", "latency ms", "note"]
    cells = [
        [
            *(row["placement"], _percent(row["accuracy"]), _percent(row["search_accuracy"])),
            *(f"{row['reward']:.4f}", f"{row['latency_ms']:.3f}", row["note"]),
        ]
        for row in rows
    ]
    print_table(header, cells)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def _spread(row: dict[str, Any]) -> float:
    return row["standard_error"] if "standard_error" in row else row["deviation"]
