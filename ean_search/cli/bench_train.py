"""The `bench` commands that train networks, for hours if need be: they go on where they stopped."""

import argparse
from pathlib import Path
from typing import Any

from ean_search.cli.flags import add_set_flag, keep, positive, read_set_flag
from ean_search.utils.errors import UserError


def add_training_benches(kinds: Any) -> tuple[argparse.ArgumentParser, ...]:
    """Describe them."""
    supernet = kinds.add_parser("supernet", help="estimates of weight-sharing networks, judged")
    supernet.add_argument("--table", help="name or Parquet file: its experiment and its truth")
    supernet.add_argument("--variants", nargs="+", metavar="NAME", help="all by default")
    supernet.add_argument(
        "--epochs", type=positive, nargs="+", metavar="N", help="as those trained alone, if none"
    )
    _add_training_flags(supernet)
    supernet.set_defaults(command=_supernet)

    table = kinds.add_parser("table", help="make a table: train every placement on its own")
    table.add_argument("--name", help="of the table; that of the space if none")
    table.add_argument(
        "--pilot",
        type=positive,
        metavar="N",
        help="train N placements only, to see how noisy the task is; they count for the table",
    )
    table.add_argument("--epochs", type=positive, metavar="N", help="of its estimates' networks")
    _add_training_flags(table)
    table.set_defaults(command=_table)
    return supernet, table


def _add_training_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", default="tiny", help="small: all placements are trained")
    parser.add_argument("--experiment", type=Path, help="experiment YAML, in place of --space")
    parser.add_argument("--seeds", type=positive, default=3)
    parser.add_argument("--truth", type=Path, help="file of trainings; continued if it exists")
    parser.add_argument(
        "--part", type=_part, default=(1, 1), metavar="I/N", help="do a part; 1/2 here, 2/2 there"
    )
    parser.add_argument("--device", default="auto")
    add_set_flag(parser)


def _part(text: str) -> tuple[int, int]:
    number, _, parts = text.partition("/")
    if not (number.isdigit() and parts.isdigit() and 1 <= int(number) <= int(parts)):
        raise argparse.ArgumentTypeError(f"expected a part like 1/2, got {text!r}")
    return int(number), int(parts)


def _supernet(args: argparse.Namespace) -> None:
    from ean_search.bench.ground_truth import noise, train_all
    from ean_search.bench.make_table import widen
    from ean_search.bench.supernet_estimates import VARIANTS
    from ean_search.bench.supernet_ranking import average, bench_supernet
    from ean_search.cli.progress import show_progress
    from ean_search.search.tabular.placement_bench import PlacementBench, select
    from ean_search.utils.errors import unknown_name

    experiment = _read_experiment(args, PlacementBench(args.table).about if args.table else None)
    for name in args.variants or ():
        if name not in VARIANTS:
            raise unknown_name("variant", name, VARIANTS)
    name = Path(args.table).stem if args.table else experiment.space.name
    with show_progress() as progress:
        if args.table:
            accuracies = select(PlacementBench(args.table).frame.set_index("placement"), "accuracy")
        else:
            truth = args.truth or args.output / f"truth_{name}.jsonl"
            accuracies = widen(train_all(experiment, truth, args.seeds, progress, args.part))
        frame = bench_supernet(
            experiment,
            accuracies,
            args.output / f"estimates_{name}.jsonl",
            seeds=args.seeds,
            epochs=args.epochs or (),
            variants={key: VARIANTS[key] for key in args.variants or VARIANTS},
            part=args.part,
            progress=progress,
        )
    keep(frame, args.output / f"supernet_{name}.csv", average(frame))
    if accuracies.shape[1] > 1:
        _print_noise(noise(accuracies))


def _table(args: argparse.Namespace) -> None:
    from ean_search.bench.make_table import TablePaths, make_table
    from ean_search.cli.progress import show_progress
    from ean_search.cli.tables import print_frame
    from ean_search.search.tabular.placement_bench import PlacementBench

    experiment = _read_experiment(args)
    name, folder = args.name or experiment.space.name, args.output
    shop = TablePaths(
        truth=args.truth or folder / f"truth_{name}.jsonl",
        estimates=folder / f"estimates_{name}.jsonl",
        table=folder / f"{name}.parquet",
    )
    if args.pilot is not None:
        return _pilot(args, experiment, shop.truth)
    with show_progress() as progress:
        left = make_table(
            experiment,
            shop,
            seeds=args.seeds,
            epochs=args.epochs,
            part=args.part,
            progress=progress,
        )
    if left:
        print(f"{left} trainings are still missing: run the other parts, or this once more")
        return
    table = PlacementBench(str(shop.table))
    print_frame(table.frame.describe().T.drop(columns="count").reset_index(names="column"))
    print(shop.table)
    _print_noise(table.about["noise"])


def _pilot(args: argparse.Namespace, experiment: Any, truth: Path) -> None:
    from ean_search.bench.ground_truth import noise, train_all
    from ean_search.bench.make_table import widen
    from ean_search.cli.progress import show_progress
    from ean_search.cli.tables import print_frame

    if args.pilot < 2 or args.seeds < 2:
        what = f"{args.pilot} placements and {args.seeds} seeds"
        raise UserError(f"expected a pilot of at least 2 placements and 2 seeds, got {what}")
    with show_progress() as progress:
        accuracies = widen(
            train_all(experiment, truth, args.seeds, progress, args.part, args.pilot)
        ).dropna()
    print_frame(accuracies.reset_index())
    if len(accuracies) > 1:
        _print_noise(noise(accuracies))


def _read_experiment(args: argparse.Namespace, about: dict[str, Any] | None = None) -> Any:
    """Read what is to be trained: a table's experiment, a file's or a space's; flags override."""
    import torch

    from ean_search.runs.experiment import load_experiment
    from ean_search.runs.pipeline import resolve

    # Parts run side by side: each takes its share of the cores.
    torch.set_num_threads(max(1, torch.get_num_threads() // args.part[1]))
    args.output.mkdir(parents=True, exist_ok=True)
    changes = about["experiment"] if about else {}
    if not about and not args.experiment:
        changes = {"space": {"base": args.space}}
    changes = changes | {"device": args.device} | read_set_flag(args)
    return resolve(load_experiment(args.experiment, changes))


def _print_noise(noise: dict[str, float]) -> None:
    print(", ".join(f"{key.replace('_', ' ')} {value:.3g}" for key, value in noise.items()))
