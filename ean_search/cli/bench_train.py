"""The `bench` commands that train networks, for hours if needed; they continue where they ended."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ean_search.cli.explain_columns import note_columns
from ean_search.cli.flags import (
    add_set_flag,
    add_trust_flag,
    positive,
    read_set_flag,
    save_and_print,
)
from ean_search.utils.errors import UserError
from ean_search.utils.safe_paths import check_name
from ean_search.utils.trust import mark_foreign

if TYPE_CHECKING:
    import pandas as pd

    from ean_search.bench.supernet_estimates import NetworkPlan
    from ean_search.runs.experiment import Experiment
    from ean_search.utils.progress import Progress


def add_training_benches(kinds: Any) -> tuple[argparse.ArgumentParser, ...]:
    """Describe them, and return their parsers."""
    return _add_supernet(kinds), _add_table(kinds)


def _add_supernet(kinds: Any) -> argparse.ArgumentParser:
    supernet: argparse.ArgumentParser = kinds.add_parser(
        "supernet", help="estimates of weight-sharing networks, judged"
    )
    supernet.add_argument("--table", help="name or Parquet file: its experiment and its truth")
    supernet.add_argument("--variants", nargs="+", metavar="NAME", help="all by default")
    supernet.add_argument(
        "--epochs", type=positive, nargs="+", metavar="N", help="as those trained alone, if none"
    )
    _add_training_flags(supernet)
    supernet.set_defaults(command=_supernet)
    return supernet


def _add_table(kinds: Any) -> argparse.ArgumentParser:
    table: argparse.ArgumentParser = kinds.add_parser(
        "table", help="make a table: train every placement on its own"
    )
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
    return table


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
    add_trust_flag(parser)


def _part(text: str) -> tuple[int, int]:
    number, _, parts = text.partition("/")
    if not (number.isdigit() and parts.isdigit() and 1 <= int(number) <= int(parts)):
        raise argparse.ArgumentTypeError(f"expected a part like 1/2, got {text!r}")
    return int(number), int(parts)


def _supernet(args: argparse.Namespace) -> None:
    from ean_search.bench.ground_truth import noise_statistics
    from ean_search.bench.supernet_ranking import average, bench_supernet
    from ean_search.cli.progress import show_progress
    from ean_search.search.tabular.placement_bench import PlacementBench

    experiment = _read_experiment(args, PlacementBench(args.table).metadata if args.table else None)
    plans = _plan(args, experiment)
    name = Path(args.table).stem if args.table else check_name(experiment.space.name, "space")
    with show_progress() as progress:
        accuracies = _read_accuracies(args, experiment, name, progress)
        estimates = args.output / f"estimates_{name}.jsonl"
        frame = bench_supernet(experiment, accuracies, estimates, plans, progress)
    save_and_print(frame, args.output / f"supernet_{name}.csv", average(frame))
    if accuracies.shape[1] > 1:
        _print_noise(noise_statistics(accuracies))


def _plan(args: argparse.Namespace, experiment: "Experiment") -> list["NetworkPlan"]:
    """Plan all networks before any is trained, so that nothing is refused after hours."""
    from ean_search.bench.supernet_estimates import VARIANTS, plan_networks
    from ean_search.utils.errors import unknown_name

    for name in args.variants or ():
        if name not in VARIANTS:
            raise unknown_name("variant", name, VARIANTS)
    variants = {name: VARIANTS[name] for name in args.variants or VARIANTS}
    return [
        plan_networks(experiment, variants, epochs=epochs, seeds=args.seeds, part=args.part)
        for epochs in args.epochs or [None]
    ]


def _read_accuracies(
    args: argparse.Namespace, experiment: "Experiment", name: str, progress: "Progress"
) -> "pd.DataFrame":
    """Read the accuracies of a table, or train all placements of the experiment."""
    from ean_search.bench.ground_truth import train_all
    from ean_search.bench.make_table import pivot_by_seed
    from ean_search.search.tabular.placement_bench import PlacementBench, select_columns

    if args.table:
        return select_columns(PlacementBench(args.table).frame.set_index("placement"), "accuracy")
    truth = args.truth or args.output / f"truth_{name}.jsonl"
    return pivot_by_seed(train_all(experiment, truth, args.seeds, progress, args.part))


def _table(args: argparse.Namespace) -> None:
    from ean_search.bench.make_table import TablePaths, make_table
    from ean_search.cli.progress import show_progress
    from ean_search.cli.tables import print_frame
    from ean_search.search.tabular.placement_bench import PlacementBench

    experiment = _read_experiment(args)
    name, folder = check_name(args.name or experiment.space.name, "--name"), args.output
    paths = TablePaths(
        truth=args.truth or folder / f"truth_{name}.jsonl",
        estimates=folder / f"estimates_{name}.jsonl",
        table=folder / f"{name}.parquet",
    )
    if args.pilot is not None:
        return _pilot(args, experiment, paths.truth)
    work = {"seeds": args.seeds, "epochs": args.epochs, "part": args.part}
    with show_progress() as progress:
        missing = make_table(experiment, paths, progress=progress, **work)
    if missing:
        print(f"{missing} trainings are still missing: run the other parts, or this once more")
        return
    table = PlacementBench(str(paths.table))
    described = table.frame.describe().T.drop(columns="count").reset_index(names="column")
    print_frame(described, "table")
    note_columns(paths.table.name, table.frame.columns)
    print(paths.table)
    _print_noise(table.metadata["noise"])


def _pilot(args: argparse.Namespace, experiment: "Experiment", truth: Path) -> None:
    from ean_search.bench.ground_truth import noise_statistics, train_all
    from ean_search.bench.make_table import pivot_by_seed
    from ean_search.cli.progress import show_progress
    from ean_search.cli.tables import print_frame

    if args.pilot < 2 or args.seeds < 2:
        pilot = f"{args.pilot} placements and {args.seeds} seeds"
        raise UserError(f"expected a pilot of at least 2 placements and 2 seeds, got {pilot}")
    with show_progress() as progress:
        trainings = train_all(experiment, truth, args.seeds, progress, args.part, args.pilot)
    accuracies = pivot_by_seed(trainings).dropna()
    print_frame(accuracies.reset_index(), "pilot")
    if len(accuracies) > 1:
        _print_noise(noise_statistics(accuracies))


def _read_experiment(
    args: argparse.Namespace, metadata: dict[str, Any] | None = None
) -> "Experiment":
    """Read the experiment of a table's metadata, a file or a space; flags override it."""
    import torch

    from ean_search.runs.experiment import load_experiment
    from ean_search.runs.resolve_experiment import resolve

    # Parts run side by side: each takes its share of the cores.
    torch.set_num_threads(max(1, torch.get_num_threads() // args.part[1]))
    args.output.mkdir(parents=True, exist_ok=True)
    changes = mark_foreign(metadata["experiment"], args.trust) if metadata else {}
    if not metadata and not args.experiment:
        changes = {"space": {"base": args.space}}
    changes = changes | {"device": args.device} | read_set_flag(args)
    return resolve(load_experiment(args.experiment, changes, args.trust))


def _print_noise(noise: dict[str, float]) -> None:
    print(", ".join(f"{key.replace('_', ' ')} {value:.3g}" for key, value in noise.items()))
