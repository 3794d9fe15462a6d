"""The `bench` commands: run a measurement, keep its CSV, print it."""

import argparse
import os
from pathlib import Path
from typing import Any

from ean_search.lookup import UserError


def add_bench_parser(commands: Any) -> Any:
    """Describe `ean-search bench` and what it can measure, to which more can be added."""
    bench = commands.add_parser("bench", help="measure: speed, searchers, evidence and more")
    kinds = bench.add_subparsers(title="measurements", required=True, metavar="WHAT")

    speed = kinds.add_parser("speed", help="cohorts against single passes, and finished networks")
    speed.add_argument("--space", default="resnet50_shared")
    speed.add_argument("--run", type=Path, help="time the network this run found, too")
    speed.add_argument("--image-size", type=int, default=64, help="of the timed cohorts")
    speed.add_argument("--images", type=int, default=128)
    speed.add_argument("--rounds", type=int, default=3)
    speed.add_argument("--compile", action="store_true", help="time compiled networks, too")
    speed.add_argument("--device", default="auto")
    speed.set_defaults(command=_speed)

    mixers = kinds.add_parser("mixers", help="key-only and full attention as maps grow")
    mixers.add_argument("--channels", type=int, default=64)
    mixers.add_argument("--device", default="auto")
    mixers.set_defaults(command=_mixers)

    racing = kinds.add_parser("racing", help="how often racing loses a winner, on a finished run")
    racing.add_argument("run", type=Path)
    racing.add_argument("--races", type=int, default=500)
    racing.set_defaults(command=_racing)

    searchers = kinds.add_parser("searchers", help="regret on tables and synthetic landscapes")
    searchers.add_argument(
        "--searchers",
        nargs="+",
        metavar="NAME",
        help="all by default; with options as in 'optuna-tpe multi=true'",
    )
    searchers.add_argument(
        "--tables", nargs="*", metavar="TABLE", help="names or Parquet files; all by default"
    )
    searchers.add_argument(
        "--sites", type=int, nargs="*", default=[16, 54], help="of landscapes; none if empty"
    )
    searchers.add_argument("--seeds", type=int, default=50, help="of searchers on each table")
    searchers.add_argument("--landscapes", type=int, default=20, help="of each number of sites")
    searchers.add_argument(
        "--workers", type=int, nargs="+", default=[1, 8, 64], help="simulated, on tables"
    )
    searchers.add_argument("--budget", type=int, default=900)
    searchers.add_argument("--processes", type=int, default=os.cpu_count())
    searchers.set_defaults(command=_searchers)

    supernet = kinds.add_parser("supernet", help="estimates of weight-sharing networks, judged")
    supernet.add_argument("--table", help="name or Parquet file: its experiment and its truth")
    supernet.add_argument("--variants", nargs="+", metavar="NAME", help="all by default")
    _add_training_flags(supernet)
    supernet.set_defaults(command=_supernet)

    report = kinds.add_parser("report", help="seconds and megabytes of a page of many trials")
    report.add_argument("--searcher", default="reinforce")
    report.add_argument("--sites", type=int, nargs="+", default=[16, 54])
    report.add_argument("--trials", type=int, default=5000)
    report.set_defaults(command=_report)

    table = kinds.add_parser("table", help="make a table: train every placement on its own")
    table.add_argument("--name", help="of the table; that of the space if none")
    _add_training_flags(table)
    table.set_defaults(command=_table)

    for kind in (speed, mixers, racing, searchers, supernet, table, report):
        kind.add_argument("--output", type=Path, default=Path("results"), help="folder for files")
    return kinds


def _add_training_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", default="tiny", help="small: all placements are trained")
    parser.add_argument("--experiment", type=Path, help="experiment YAML, in place of --space")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of networks for all placements")
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


def _speed(args: argparse.Namespace) -> None:
    from ean_search.bench.speed import bench_speed
    from ean_search.folder import load_run
    from ean_search.run import find_device
    from ean_search.sites import probe
    from ean_search.space import load_space
    from ean_search.terminal import show_progress

    with show_progress() as progress:
        frames = bench_speed(
            probe(load_space(args.space)),
            run=load_run(args.run) if args.run else None,
            image_size=args.image_size,
            images=args.images,
            rounds=args.rounds,
            compiled=args.compile,
            device=find_device(args.device),
            progress=progress,
        )
    for name, frame in frames.items():
        keep(frame, args.output / f"{name}.csv")
    print(f"on {frame.hardware[0]}")


def _mixers(args: argparse.Namespace) -> None:
    from ean_search.bench.mixers import bench_mixers
    from ean_search.run import find_device
    from ean_search.terminal import show_progress

    with show_progress() as progress:
        frame = bench_mixers(
            channels=args.channels, device=find_device(args.device), progress=progress
        )
    keep(frame, args.output / "mixers.csv")


def _racing(args: argparse.Namespace) -> None:
    from ean_search.bench.racing import bench_racing
    from ean_search.folder import load_run

    keep(bench_racing(load_run(args.run), races=args.races), args.output / "racing.csv")


def _searchers(args: argparse.Namespace) -> None:
    from ean_search.bench.curves import plot_regret
    from ean_search.bench.searchers import bench_searchers, digest
    from ean_search.bench.tasks import make_landscapes, make_tables
    from ean_search.searchers import SEARCHERS
    from ean_search.tables import shipped_tables
    from ean_search.terminal import show_progress

    tables = shipped_tables() if args.tables is None else args.tables
    with show_progress() as progress:
        frame = bench_searchers(
            args.searchers or list(SEARCHERS),
            make_tables(tables, args.seeds) + make_landscapes(args.sites, args.landscapes),
            workers=args.workers,
            budget=args.budget,
            processes=args.processes,
            progress=progress,
        )
    keep(frame, args.output / "searchers.csv", digest(frame))
    plot_regret(frame).savefig(args.output / "searchers.png")


def _supernet(args: argparse.Namespace) -> None:
    from ean_search.bench.estimates import VARIANTS
    from ean_search.bench.supernet import average, bench_supernet
    from ean_search.bench.table import widen
    from ean_search.bench.truth import noise, train_all
    from ean_search.lookup import unknown
    from ean_search.tables import Table, select
    from ean_search.terminal import show_progress

    experiment = _read_experiment(args, Table(args.table).about if args.table else None)
    for name in args.variants or ():
        if name not in VARIANTS:
            raise unknown("variant", name, VARIANTS)
    name = Path(args.table).stem if args.table else experiment.space.name
    with show_progress() as progress:
        if args.table:
            accuracies = select(Table(args.table).frame.set_index("placement"), "accuracy")
        else:
            truth = args.truth or args.output / f"truth_{name}.jsonl"
            accuracies = widen(train_all(experiment, truth, args.seeds, progress, args.part))
        frame = bench_supernet(
            experiment,
            accuracies,
            args.output / f"estimates_{name}.jsonl",
            seeds=args.seeds,
            epochs=args.epochs,
            variants={key: VARIANTS[key] for key in args.variants or VARIANTS},
            part=args.part,
            progress=progress,
        )
    keep(frame, args.output / f"supernet_{name}.csv", average(frame))
    if accuracies.shape[1] > 1:
        _print_noise(noise(accuracies))


def _table(args: argparse.Namespace) -> None:
    from ean_search.bench.table import Workshop, make_table
    from ean_search.tables import Table
    from ean_search.terminal import print_frame, show_progress

    experiment = _read_experiment(args)
    name, folder = args.name or experiment.space.name, args.output
    shop = Workshop(
        truth=args.truth or folder / f"truth_{name}.jsonl",
        estimates=folder / f"estimates_{name}.jsonl",
        table=folder / f"{name}.parquet",
    )
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
    table = Table(str(shop.table))
    print_frame(table.frame.describe().T.drop(columns="count").reset_index(names="column"))
    print(shop.table)
    _print_noise(table.about["noise"])


def _read_experiment(args: argparse.Namespace, about: dict[str, Any] | None = None) -> Any:
    """Read what is to be trained: a table's experiment, a file's or a space's; flags override."""
    import torch

    from ean_search.experiment import load_experiment
    from ean_search.run import resolve

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


def _report(args: argparse.Namespace) -> None:
    from ean_search.bench.report import bench_report
    from ean_search.terminal import show_progress

    with show_progress() as progress:
        frame = bench_report(args.searcher, args.sites, args.trials, progress)
    keep(frame, args.output / "report.csv")


def add_set_flag(parser: argparse.ArgumentParser) -> None:
    """Let any field of an experiment be set."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any field of the experiment, such as supernet.recipe.optimizer=sgd",
    )


def read_set_flag(args: argparse.Namespace) -> dict[str, Any]:
    """Read the fields that were set."""
    import yaml

    changes = {}
    for text in args.set:
        field, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"expected --set FIELD=VALUE, got {text!r}")
        changes[field] = yaml.safe_load(value)
    return changes


def keep(frame: Any, path: Path, shown: Any = None) -> None:
    """Write a frame and show it, or what is to be seen of it."""
    from ean_search.terminal import print_frame

    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, float_format="%.5g")
    print(f"\n{path}")
    print_frame((frame if shown is None else shown).drop(columns="hardware", errors="ignore"))
