"""The commands `spaces` and `cost`: what can be searched, and what placements cost."""

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any

from ean_search.cli.flags import add_space_flags, positive, read_space_flags
from ean_search.utils.errors import UserError

if TYPE_CHECKING:
    from ean_search.core.space import Space

LARGEST_COUNTED_BITS = 34  # larger spaces are printed as powers of two
SHARING = {"stage": "a module a stage", "whole": "one module", "none": "a module a site"}


def add_space_parsers(commands: Any) -> None:
    """Describe `ean-search spaces` and `ean-search cost`."""
    spaces = commands.add_parser("spaces", help="list the search spaces")
    spaces.add_argument("space", nargs="*", help="names or YAML files; all shipped ones if none")
    spaces.set_defaults(command=_spaces)

    cost = commands.add_parser("cost", help="price placements of a space")
    add_space_flags(cost)
    cost.add_argument("--placement", action="append", default=[], help="a placement or its name")
    cost.add_argument("--classes", type=positive, default=1000)
    cost.add_argument("--batch-size", type=positive, default=1, help="of a timed forward pass")
    cost.add_argument("--device", default="auto")
    cost.add_argument(
        "--retime", action="store_true", help="time again, in place of the cached latencies"
    )
    cost.add_argument("--json", action="store_true", help="print JSON")
    cost.set_defaults(command=_cost)


def _spaces(args: argparse.Namespace) -> None:
    from ean_search.cli.tables import print_table
    from ean_search.core.space import load_space, shipped_spaces

    header = ["space", "backbone", "attention", "sites", "by stage", "sharing"]
    header += ["own attention", "placements"]
    rows = [_describe(load_space(name)) for name in args.space or shipped_spaces()]
    print_table(header, rows, "spaces")


def _describe(space: "Space") -> list[str]:
    """Return the cells of a space's row; sites that its file does not list are found by probing."""
    if not space.stages:
        from ean_search.networks.sites import probe

        space = probe(space)
    attention = ", ".join(choice.name for choice in space.attention)
    stages = "-".join(map(str, space.stages))
    count = (
        f"{space.size:,}" if space.log2_size < LARGEST_COUNTED_BITS else f"2^{space.log2_size:.0f}"
    )
    columns = [space.name, space.backbone, attention, str(space.sites), stages]
    return [*columns, SHARING[space.sharing], "remove" if space.removes_own else "keep", count]


def _load_space(args: argparse.Namespace) -> "Space":
    """Load the space that flags describe."""
    from ean_search.core.space import Space, load_space

    changes = read_space_flags(args)
    if not args.space and not args.backbone:
        raise UserError("expected --space NAME or --backbone NAME; `ean-search spaces` lists some")
    return Space(**changes) if args.backbone else load_space(args.space, **changes)


def _cost(args: argparse.Namespace) -> None:
    from ean_search.cli.progress import show_progress
    from ean_search.cli.tables import print_costs
    from ean_search.costs.measure import measure_costs, price_list, retime_costs
    from ean_search.networks.sites import find_sites, probe
    from ean_search.utils.device import find_device

    space = probe(_load_space(args))
    placements = {name: space.parse(name) for name in ["none", "all", *args.placement]}
    with show_progress() as progress:
        table = (retime_costs if args.retime else measure_costs)(
            space,
            classes=args.classes,
            batch_size=args.batch_size,
            device=find_device(args.device),
            progress=progress,
        )
    price = price_list(space, table, args.classes)
    costs = {name: (placement, price(placement)) for name, placement in placements.items()}
    own = Counter(site.own for site in find_sites(space) if site.own)
    print_costs(space, table, costs, own, args.json)
