"""The `bench` commands: run a measurement, keep its CSV, print it."""

import argparse
import os
from pathlib import Path
from typing import Any

from ean_search.cli.bench_train import add_training_benches
from ean_search.cli.flags import add_trust_flag, positive, save_and_print


def add_bench_parser(commands: Any) -> Any:
    """Describe `ean-search bench`; return its measurements, to which more can be added."""
    bench = commands.add_parser("bench", help="measure: speed, searchers, evidence and more")
    kinds = bench.add_subparsers(title="measurements", required=True, metavar="WHAT")
    adders = (_add_speed, _add_tuning, _add_mixers, _add_attentions, _add_racing, _add_searchers)
    own = [add(kinds) for add in adders]
    own += [_add_report(kinds), _add_tune(kinds)]
    for kind in (*own, *add_training_benches(kinds)):
        kind.add_argument("--output", type=Path, default=Path("results"), help="folder for files")
    return kinds


def _add_speed(kinds: Any) -> Any:
    speed = kinds.add_parser("speed", help="cohorts against single passes, and finished networks")
    speed.add_argument("--space", default="resnet50_shared")
    speed.add_argument("--run", type=Path, help="time the network this run found, too")
    _add_timing_flags(speed, "of the timed cohorts")
    speed.add_argument("--compile", action="store_true", help="time compiled networks, too")
    speed.add_argument("--device", default="auto")
    add_trust_flag(speed)
    speed.set_defaults(command=_speed)
    return speed


def _add_timing_flags(parser: Any, image_size_help: str | None = None) -> None:
    parser.add_argument("--image-size", type=positive, default=64, help=image_size_help)
    parser.add_argument("--images", type=positive, default=128)
    parser.add_argument("--rounds", type=positive, default=3)


def _add_tuning(kinds: Any) -> Any:
    tuning = kinds.add_parser("tuning", help="what a frozen backbone saves in training")
    spaces = ["resnet50_shared", "efficientnet_b0_shared", "deit_tiny_mrla"]
    tuning.add_argument("--spaces", nargs="+", default=spaces, metavar="SPACE")
    _add_timing_flags(tuning)
    tuning.add_argument("--device", default="auto")
    tuning.set_defaults(command=_tuning)
    return tuning


def _add_mixers(kinds: Any) -> Any:
    mixers = kinds.add_parser("mixers", help="key-only and full attention as maps grow")
    mixers.add_argument("--channels", type=positive, default=64)
    mixers.add_argument("--device", default="auto")
    mixers.set_defaults(command=_mixers)
    return mixers


def _add_attentions(kinds: Any) -> Any:
    attentions = kinds.add_parser("attentions", help="every attention: paper, costs, where it goes")
    names = "all that are registered and keep the contract by default; module:Class, too"
    attentions.add_argument("--attentions", nargs="+", default=[], metavar="NAME", help=names)
    attentions.add_argument("--rounds", type=positive, default=20, help="timed passes of each")
    attentions.add_argument("--device", default="cpu")
    attentions.set_defaults(command=_attentions)
    return attentions


def _add_racing(kinds: Any) -> Any:
    racing = kinds.add_parser("racing", help="how often racing loses a winner, on a finished run")
    racing.add_argument("run", type=Path)
    racing.add_argument("--races", type=positive, default=500)
    add_trust_flag(racing)
    racing.set_defaults(command=_racing)
    return racing


def _add_searchers(kinds: Any) -> Any:
    searchers = kinds.add_parser("searchers", help="regret on tables and synthetic landscapes")
    add = searchers.add_argument
    names = "all by default; with options as in 'optuna-tpe multi=true'"
    add("--searchers", nargs="+", metavar="NAME", help=names)
    tables = "names or Parquet files; all by default"
    add("--tables", nargs="*", metavar="TABLE", help=tables)
    sites = "of landscapes; none if empty"
    add("--sites", type=positive, nargs="*", default=[8, 16, 54, 200], help=sites)
    add("--seeds", type=positive, default=50, help="of searchers on each table")
    add("--landscapes", type=positive, default=20, help="of each number of sites")
    add("--workers", type=positive, nargs="+", default=[1, 8, 64], help="simulated, on tables")
    add("--budget", type=positive, default=900)
    add("--processes", type=int, default=os.cpu_count())
    searchers.set_defaults(command=_searchers)
    return searchers


def _add_report(kinds: Any) -> Any:
    report = kinds.add_parser("report", help="seconds and megabytes of a page of many trials")
    searcher = "one with a policy has most to show"
    report.add_argument("--searcher", default="reinforce", help=searcher)
    report.add_argument("--sites", type=positive, nargs="+", default=[16, 54])
    report.add_argument("--trials", type=positive, default=5000)
    report.set_defaults(command=_report)
    return report


def _add_tune(kinds: Any) -> Any:
    tune = kinds.add_parser("tune", help="what Ray Tune costs a search, and what workers give")
    tune.add_argument("--space", default="resnet50_shared", help="of the timed cohorts")
    tune.add_argument("--workers", type=positive, nargs="+", default=[1, 2])
    tune.add_argument("--cpus-per-worker", type=float, default=1.0)
    tune.add_argument("--gpus-per-worker", type=float, default=0.0)
    _add_timing_flags(tune)
    tune.add_argument("--kills", type=int, default=0, help="workers to kill during searches")
    tune.add_argument("--lose-node", action="store_true", help="take one of two nodes away")
    tune.set_defaults(command=_tune)
    return tune


def _speed(args: argparse.Namespace) -> None:
    from ean_search.analysis.run_folder import load_run
    from ean_search.bench.speed import bench_speed
    from ean_search.bench.timing import TimingSettings
    from ean_search.cli.progress import show_progress
    from ean_search.core.space import load_space
    from ean_search.networks.sites import probe
    from ean_search.utils.device import find_device

    device = find_device(args.device)
    timing = TimingSettings(args.image_size, args.images, args.rounds, device)
    with show_progress() as progress:
        for name, frame in bench_speed(
            probe(load_space(args.space)),
            timing,
            run=load_run(args.run, args.trust) if args.run else None,
            compiled=args.compile,
            progress=progress,
        ):
            save_and_print(frame, args.output / f"{name}.csv")
    print(f"on {frame.hardware[0]}")


def _tuning(args: argparse.Namespace) -> None:
    from ean_search.bench.timing import TimingSettings
    from ean_search.bench.tuning_cost import bench_tuning
    from ean_search.cli.progress import show_progress
    from ean_search.core.space import load_space
    from ean_search.utils.device import find_device

    timing = TimingSettings(args.image_size, args.images, args.rounds, find_device(args.device))
    spaces = [load_space(name) for name in args.spaces]
    with show_progress() as progress:
        frame = bench_tuning(spaces, timing, progress)
    save_and_print(frame, args.output / "tuning.csv")


def _mixers(args: argparse.Namespace) -> None:
    from ean_search.bench.token_mixers import bench_mixers
    from ean_search.cli.progress import show_progress
    from ean_search.utils.device import find_device

    with show_progress() as progress:
        frame = bench_mixers(
            channels=args.channels, device=find_device(args.device), progress=progress
        )
    save_and_print(frame, args.output / "mixers.csv")


def _attentions(args: argparse.Namespace) -> None:
    from ean_search.bench.attentions import bench_attentions
    from ean_search.cli.progress import show_progress
    from ean_search.utils.device import find_device

    with show_progress() as progress:
        frame = bench_attentions(
            args.attentions,
            coverage=args.output / "coverage.csv",
            rounds=args.rounds,
            device=find_device(args.device),
            progress=progress,
        )
    save_and_print(frame, args.output / "attentions.csv")


def _racing(args: argparse.Namespace) -> None:
    from ean_search.analysis.run_folder import load_run
    from ean_search.bench.racing import bench_racing

    save_and_print(
        bench_racing(load_run(args.run, args.trust), races=args.races), args.output / "racing.csv"
    )


def _searchers(args: argparse.Namespace) -> None:
    from ean_search.analysis.matplotlib_figures import save_figure
    from ean_search.bench.noninferiority import compare_with_default
    from ean_search.bench.plots import plot_regret
    from ean_search.bench.searchers import digest, summarise, trace_searchers
    from ean_search.bench.tasks import make_landscapes, make_tables
    from ean_search.cli.progress import show_progress
    from ean_search.search.searchers.registry import SEARCHERS
    from ean_search.search.tabular.placement_bench import shipped_tables

    tables = shipped_tables() if args.tables is None else args.tables
    args.output.mkdir(parents=True, exist_ok=True)
    log = args.output / "searchers.jsonl"
    with show_progress() as progress:
        traces = trace_searchers(
            args.searchers or list(SEARCHERS),
            make_tables(tables, args.seeds) + make_landscapes(args.sites, args.landscapes),
            workers=args.workers,
            budget=args.budget,
            processes=args.processes,
            progress=progress,
            log=log,
        )
    frame, verdicts = summarise(traces), compare_with_default(traces)
    save_and_print(frame, args.output / "searchers.csv", digest(frame))
    if len(verdicts):
        save_and_print(verdicts, args.output / "searchers_default.csv")
    save_figure(plot_regret(frame), args.output / "searchers.png")
    log.unlink()


def _report(args: argparse.Namespace) -> None:
    from ean_search.bench.report_speed import bench_report
    from ean_search.cli.progress import show_progress

    with show_progress() as progress:
        frame = bench_report(args.searcher, args.sites, args.trials, progress)
    save_and_print(frame, args.output / "report.csv")


def _tune(args: argparse.Namespace) -> None:
    import torch

    from ean_search.bench.ray_overhead import bench_tune
    from ean_search.bench.timing import TimingSettings
    from ean_search.cli.progress import show_progress
    from ean_search.core.space import load_space
    from ean_search.distributed.config import Workers
    from ean_search.networks.sites import probe

    resources = {"cpus": args.cpus_per_worker, "gpus": args.gpus_per_worker}
    worker_settings = [Workers(count=count, **resources) for count in args.workers]
    torch.set_num_threads(worker_settings[0].threads)
    with show_progress() as progress:
        for name, frame in bench_tune(
            probe(load_space(args.space)),
            load_space("tiny"),
            worker_settings,
            TimingSettings(args.image_size, args.images, args.rounds),
            kills=args.kills,
            nodes=args.lose_node,
            progress=progress,
        ):
            save_and_print(frame, args.output / f"{name}.csv")
