"""The command `pick`: another budget without another search."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ean_search.analysis.pick import Pick


def add_pick_parser(commands: Any) -> None:
    """Describe `ean-search pick`."""
    pick = commands.add_parser("pick", help="the best placement of a run for another budget")
    pick.add_argument("run", type=Path)
    pick.add_argument(
        "--budget-cost", default="", help="limits in place of the run's, such as 'latency < 1.05x'"
    )
    pick.add_argument(
        "--max-drop",
        type=float,
        metavar="POINTS",
        help="the cheapest placement (on the run's cost axis) that loses at most so many points of "
        "accuracy, compared with attention at every site",
    )
    pick.add_argument("--json", action="store_true", help="print JSON")
    pick.set_defaults(command=_pick)


def _pick(args: argparse.Namespace) -> None:
    from ean_search.analysis.pick import pick_placement

    found = pick_placement(args.run, args.budget_cost, max_drop=args.max_drop)
    if args.json:
        print(json.dumps(asdict(found), indent=2))
    else:
        _print_pick(found)


def _print_pick(found: "Pick") -> None:
    from ean_search.cli.tables import print_table

    cells = {
        "placement": found.placement,
        found.column: found.value,
        "+-": "-" if found.standard_error is None else f"{found.standard_error:.2f}",
        "below all": f"{found.drop:.2f}",
        "sites": str(found.costs["sites"]),
        "params": f"{found.costs['params']:,}",
        "FLOPs": f"{found.costs['flops']:,}",
        "latency ms": f"{found.costs['latency_ms']:.3f}",
        f"x {found.multiple_of}": f"{found.latency_x:.3f}x",
    }
    print_table(list(cells), [list(cells.values())], "picked")
    print(f"chosen among {found.kept} of {found.evaluated} evaluated placements")
    for edge in found.edges:
        print(f"at the edge of what was searched: {edge}")
    for command in found.next:
        print(f"next:\n  {command}")
