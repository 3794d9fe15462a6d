"""The command line: reads flags and calls the library; it, its tables and its benches print.

Heavy imports sit inside the commands, so that `--help` answers at once.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ean_search.cli.bench import add_bench_parser
from ean_search.cli.evidence import add_evidence_parser
from ean_search.cli.export import add_export_parser
from ean_search.cli.flags import add_json_flag, add_set_flag, positive, read_set_flag
from ean_search.cli.report import add_report_parsers
from ean_search.cli.retrain import add_retrain_parser
from ean_search.cli.transfer import add_transfer_parser
from ean_search.cli.workers import add_workers_flags, flags_of, read_workers
from ean_search.utils.errors import UserError
from ean_search.utils.runtime import keep_freed_memory

# Flags that stand for a field of the experiment: dotted field, type, help.
EXPERIMENT_FLAGS: dict[str, tuple[str, type, str]] = {
    "--data": ("data.name", str, "cluttered | cifar10 | cifar100 | imagefolder | timm:NAME"),
    "--data-root": ("data.root", str, "folder of the data set"),
    "--data-workers": ("data.workers", int, "loader processes"),
    "--epochs": ("supernet.recipe.epochs", int, "epochs of the weight-sharing network"),
    "--batch-size": ("supernet.recipe.batch_size", int, "its batch size"),
    "--lr": ("supernet.recipe.lr", float, "its learning rate"),
    "--sampler": ("supernet.sampler", str, "bernoulli | uniform-count | complement | sandwich"),
    "--supernet": ("supernet.weights", str, "use this trained network (.safetensors)"),
    "--searcher": (
        "search.searcher",
        str,
        "a name in ean_search/searchers, optuna:Sampler, or module:class",
    ),
    "--budget": ("search.budget", int, "distinct evaluations, the named placements included"),
    "--cohort": ("search.cohort", int, "placements asked for at once"),
    "--steps": ("search.steps", int, "stop after so many cohorts, spent budget or not"),
    "--objective": ("search.objective", str, "such as 'accuracy - 0.02 latency'"),
    "--budget-cost": ("search.limits", str, "such as 'latency < 1.10x, sites <= 8'"),
    "--cost-axis": ("cost_axis", str, "cost axis of the front"),
    "--evaluator": ("search.evaluator", str, "shared | standalone: a short training each"),
    "--verify": ("search.verify", int, "best placements to train stand-alone after the search"),
    "--train-workers": ("train_workers", int, "Ray workers that train the network together"),
    "--recalibrate": ("recalibrate", int, "images for norm statistics of a placement's own, or 0"),
    "--precision": (
        "evaluation.precision",
        str,
        "of shared-weight evaluation: float32 | bfloat16 | float16",
    ),
    "--seed": ("seed", int, "seed of everything random"),
    "--device": ("device", str, "cpu, cuda, cuda:1, ...; the default is what there is"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = make_parser().parse_args(arguments)
    sys.path.insert(0, "")  # `my_module:MySearcher` is looked for where the user stands
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("ean_search").setLevel(logging.INFO)  # libraries speak up from warnings on
    keep_freed_memory()
    try:
        args.command(args)
    except UserError as error:
        print(f"ean-search: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Describe all commands."""
    parser = argparse.ArgumentParser(
        prog="ean-search", description="Search where attention modules pay in a network."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    spaces = commands.add_parser("spaces", help="list the search spaces")
    spaces.add_argument("space", nargs="*", help="names or YAML files; all shipped ones if none")
    spaces.set_defaults(command=_spaces)

    cost = commands.add_parser("cost", help="price placements of a space")
    _add_space_flags(cost)
    cost.add_argument("--placement", action="append", default=[], help="a placement or its name")
    cost.add_argument("--classes", type=positive, default=1000)
    cost.add_argument("--batch-size", type=positive, default=1, help="of a timed forward pass")
    cost.add_argument("--device", default="auto")
    cost.add_argument("--json", action="store_true", help="print JSON")
    cost.set_defaults(command=_cost)

    run = commands.add_parser("run", help="train the supernet, search, and leave a run folder")
    _add_space_flags(run)
    run.add_argument("--experiment", type=Path, help="experiment YAML; flags override it")
    run.add_argument("--name", help="name of the run's folder; date and time if none")
    run.add_argument("--results", type=Path, default=Path("results"), help="folder of all runs")
    _add_experiment_flags(run)
    add_json_flag(run)
    add_workers_flags(run)
    run.set_defaults(command=_run)

    resume = commands.add_parser("resume", help="continue a run that was stopped")
    resume.add_argument("run", type=Path)
    add_workers_flags(resume)
    add_json_flag(resume)
    resume.set_defaults(command=_resume)

    add_report_parsers(commands)
    add_retrain_parser(commands)
    add_export_parser(commands)
    add_transfer_parser(commands)
    add_evidence_parser(add_bench_parser(commands))
    return parser


def _add_space_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", help="name of a shipped space, or a YAML file")
    parser.add_argument(
        "--backbone", help="in place of a space: any timm model, or module:function"
    )
    parser.add_argument("--attention", help="attention by name, in place of the space's own")
    parser.add_argument("--position", choices=("residual", "block", "qkv", "mixer"))
    parser.add_argument("--sharing", choices=("stage", "whole", "none"))
    parser.add_argument("--unit-gate", action=argparse.BooleanOptionalAction, default=None)
    parser.add_argument("--image-size", type=positive)


def _add_experiment_flags(parser: argparse.ArgumentParser) -> None:
    for flag, (_, kind, text) in EXPERIMENT_FLAGS.items():
        parser.add_argument(flag, type=kind, help=text)
    parser.add_argument("--download", action="store_true", default=None, help="fetch the data set")
    parser.add_argument(
        "--racing", action="store_true", default=None, help="stop clearly worse placements early"
    )
    add_set_flag(parser)


def _space_changes(args: argparse.Namespace) -> dict[str, Any]:
    fields = ("attention", "position", "sharing", "unit_gate", "image_size")
    changes = {name: getattr(args, name) for name in fields}
    if args.backbone:
        if args.space:
            raise UserError("expected --space or --backbone, got both")
        attention = args.attention or "se"
        own = {"name": f"{args.backbone}_{attention}".replace(":", "_").replace("/", "_")}
        changes |= own | {"backbone": args.backbone, "attention": attention}
    return {name: value for name, value in changes.items() if value is not None}


def _space(args: argparse.Namespace) -> Any:
    """Load the space that flags describe."""
    from ean_search.core.space import Space, load_space

    changes = _space_changes(args)
    if not args.space and not args.backbone:
        raise UserError("expected --space NAME or --backbone NAME; `ean-search spaces` lists some")
    return Space(**changes) if args.backbone else load_space(args.space, **changes)


def _experiment_changes(args: argparse.Namespace) -> dict[str, Any]:
    """Gather the fields of an experiment that flags set."""
    own = _space_changes(args)
    changes = {f"space.{name}": value for name, value in own.items()}
    if args.space:
        changes = {"space": {"base": args.space}} | changes
    if args.backbone:
        changes = {"space": own}
    for flag, (field, _, _) in EXPERIMENT_FLAGS.items():
        changes[field] = getattr(args, flag.strip("-").replace("-", "_"))
    changes |= {"data.image_size": args.image_size, "data.download": args.download}
    changes["search.racing"] = args.racing
    changes |= read_set_flag(args)
    return {field: value for field, value in changes.items() if value is not None}


def _spaces(args: argparse.Namespace) -> None:
    from ean_search.cli.tables import print_table
    from ean_search.core.space import load_space, shipped_spaces

    rows = []
    for name in args.space or shipped_spaces():
        space = load_space(name)
        if not space.stages:
            from ean_search.networks.sites import probe

            space = probe(space)
        attention = ", ".join(choice.name for choice in space.attention)
        groups = "a module a stage" if space.sharing == "stage" else "a module a site"
        stages = "-".join(map(str, space.stages))
        count = f"{space.size:,}" if space.bits < 34 else f"2^{space.bits:.0f}"
        rows.append(
            [space.name, space.backbone, attention, str(space.sites), stages, groups, count]
        )
    header = ["space", "backbone", "attention", "sites", "by stage", "sharing", "placements"]
    print_table(header, rows)


def _cost(args: argparse.Namespace) -> None:
    from ean_search.cli.progress import show_progress
    from ean_search.cli.tables import print_costs
    from ean_search.costs.measure import measure_costs, price_list
    from ean_search.networks.sites import probe
    from ean_search.utils.device import find_device

    space = probe(_space(args))
    placements = {name: space.parse(name) for name in ["none", "all", *args.placement]}
    with show_progress() as progress:
        table = measure_costs(
            space,
            classes=args.classes,
            batch_size=args.batch_size,
            device=find_device(args.device),
            progress=progress,
        )
    price = price_list(space, table, args.classes)
    print_costs(space, table, {n: (p, price(p)) for n, p in placements.items()}, args.json)


def _run(args: argparse.Namespace) -> None:
    from ean_search.runs.experiment import load_experiment
    from ean_search.runs.pipeline import start_run

    if not args.space and not args.backbone and not args.experiment:
        raise UserError(
            "expected --space NAME, --backbone NAME or --experiment FILE; "
            "`ean-search spaces` lists spaces"
        )
    experiment = load_experiment(args.experiment, _experiment_changes(args))
    workers = read_workers(args)
    name = args.name or datetime.now().strftime("%Y-%m-%d-%H%M%S")
    folder = args.results / experiment.space.name / name
    _proceed(start_run(experiment, folder), workers, args.json)


def _resume(args: argparse.Namespace) -> None:
    from ean_search.analysis.run_folder import load_run

    _proceed(load_run(args.run), read_workers(args), args.json)


def _proceed(run: Any, workers: Any, as_json: bool) -> None:
    """Do what is left of a run, and say what came of it."""
    from ean_search.cli.progress import print_event, show_progress
    from ean_search.cli.tables import print_summary
    from ean_search.runs.pipeline import do_run

    if as_json:
        print_event("run", {"folder": str(run.path)})
    else:
        print(f"run folder: {run.path}", flush=True)
    try:
        with show_progress(as_json) as progress:
            do_run(run, progress, workers)
    except KeyboardInterrupt:
        command = f"ean-search resume {run.path}{flags_of(workers)}"
        kept = f"\nwhat is done is kept; continue with: {command}"
        print(kept, file=sys.stderr)
        raise
    summary = json.loads(run.summary_file.read_text())
    if as_json:
        print_event("summary", summary)
    else:
        print_summary(run, summary)
