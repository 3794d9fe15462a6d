"""The `bench` commands: run a measurement, keep its CSV, print it."""

import argparse
from pathlib import Path
from typing import Any

from ean_search.lookup import UserError


def add_bench_parser(commands: Any) -> None:
    """Describe `ean-search bench` and what it can measure."""
    bench = commands.add_parser("bench", help="measure: speed, racing, searchers, supernet, tune")
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

    racing = kinds.add_parser("racing", help="how often racing loses a winner, on a finished run")
    racing.add_argument("run", type=Path)
    racing.add_argument("--races", type=int, default=500)
    racing.set_defaults(command=_racing)

    searchers = kinds.add_parser("searchers", help="regret on synthetic landscapes")
    searchers.add_argument("--searchers", nargs="+", metavar="NAME", help="all by default")
    searchers.add_argument("--sites", type=int, nargs="+", default=[16, 54])
    searchers.add_argument("--seeds", type=int, default=20)
    searchers.add_argument("--budget", type=int, default=900)
    searchers.set_defaults(command=_searchers)

    supernet = kinds.add_parser("supernet", help="estimates of sampling rules against truth")
    supernet.add_argument("--space", default="tiny", help="small: all placements are trained")
    supernet.add_argument("--seeds", type=int, default=3)
    supernet.add_argument("--truth", type=Path, help="file of trainings; continued if it exists")
    supernet.add_argument("--device", default="auto")
    add_set_flag(supernet)
    supernet.set_defaults(command=_supernet)

    tune = kinds.add_parser("tune", help="what Ray Tune costs a search, and what workers give")
    tune.add_argument("--space", default="resnet50_shared", help="of the timed cohorts")
    tune.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    tune.add_argument("--cpus-per-worker", type=float, default=1.0)
    tune.add_argument("--gpus-per-worker", type=float, default=0.0)
    tune.add_argument("--image-size", type=int, default=64)
    tune.add_argument("--images", type=int, default=256)
    tune.add_argument("--rounds", type=int, default=5)
    tune.add_argument("--kills", type=int, default=0, help="workers to kill during searches")
    tune.set_defaults(command=_tune)

    for kind in (speed, racing, searchers, supernet, tune):
        kind.add_argument("--output", type=Path, default=Path("results"), help="folder for CSVs")


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
        _keep(frame, args.output / f"{name}.csv")
    print(f"on {frame.hardware[0]}")


def _racing(args: argparse.Namespace) -> None:
    from ean_search.bench.racing import bench_racing
    from ean_search.folder import load_run

    _keep(bench_racing(load_run(args.run), races=args.races), args.output / "racing.csv")


def _searchers(args: argparse.Namespace) -> None:
    import torch

    from ean_search.bench.curves import plot_regret
    from ean_search.bench.searchers import bench_searchers
    from ean_search.searchers import SEARCHERS
    from ean_search.terminal import show_progress

    torch.set_num_threads(1)  # the controllers' networks are too small for more
    names = args.searchers or [name for name in SEARCHERS if name != "all"]
    with show_progress() as progress:
        frame = bench_searchers(names, args.sites, args.seeds, args.budget, progress=progress)
    _keep(frame, args.output / "searchers.csv")
    plot_regret(frame).savefig(args.output / "searchers.png")


def _supernet(args: argparse.Namespace) -> None:
    from ean_search.bench.supernet import bench_supernet
    from ean_search.experiment import load_experiment
    from ean_search.run import resolve
    from ean_search.terminal import show_progress

    changes = {"space": {"base": args.space}, "device": args.device} | read_set_flag(args)
    experiment = resolve(load_experiment(None, changes))
    name = experiment.space.name
    truth = args.truth or args.output / f"truth_{name}.jsonl"
    truth.parent.mkdir(parents=True, exist_ok=True)
    with show_progress() as progress:
        frame, noise = bench_supernet(experiment, truth, seeds=args.seeds, progress=progress)
    _keep(frame, args.output / f"supernet_{name}.csv")
    print(", ".join(f"{key.replace('_', ' ')} {value:.3g}" for key, value in noise.items()))


def _tune(args: argparse.Namespace) -> None:
    import torch

    from ean_search.bench.tune import bench_tune
    from ean_search.sites import probe
    from ean_search.space import load_space
    from ean_search.terminal import show_progress
    from ean_search.workers import Workers

    given = {"cpus": args.cpus_per_worker, "gpus": args.gpus_per_worker}
    crews = [Workers(count=count, **given) for count in args.workers]
    torch.set_num_threads(crews[0].threads)
    with show_progress() as progress:
        frames = bench_tune(
            probe(load_space(args.space)),
            load_space("tiny"),
            crews,
            image_size=args.image_size,
            images=args.images,
            rounds=args.rounds,
            kills=args.kills,
            progress=progress,
        )
    for name, frame in frames.items():
        _keep(frame, args.output / f"{name}.csv")


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


def _keep(frame: Any, path: Path) -> None:
    """Write a frame and show it."""
    from ean_search.terminal import print_frame

    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, float_format="%.5g")
    print(f"\n{path}")
    print_frame(frame.drop(columns="hardware", errors="ignore"))
