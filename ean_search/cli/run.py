"""The commands `run` and `resume`: a whole run, from its flags to its summary."""

import argparse
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from ean_search.cli.explain_columns import note_file
from ean_search.cli.flags import (
    add_json_flag,
    add_quick_flag,
    add_set_flag,
    add_space_flags,
    add_trust_flag,
    positive,
    read_set_flag,
    read_space_flags,
    say_quick,
)
from ean_search.cli.process import say
from ean_search.cli.workers import add_workers_flags, flags_of, read_workers
from ean_search.utils.errors import UserError, system_failure
from ean_search.utils.files import RESULTS_ROOT

# Flags that stand for a field of the experiment: dotted field, type, help.
EXPERIMENT_FLAGS: dict[str, tuple[str, type, str]] = {
    "--data": (
        "data.name",
        str,
        "cluttered | cifar10 | cifar100 | fashion_mnist | imagefolder | timm:NAME",
    ),
    "--data-root": ("data.root", str, "folder of the data set"),
    "--val-split": (
        "data.options.val_split",
        float,
        "share of one folder of classes to test with, such as 0.2 (imagefolder without val)",
    ),
    "--data-workers": ("data.workers", int, "loader processes"),
    "--epochs": ("supernet.recipe.epochs", int, "epochs of the weight-sharing network"),
    "--batch-size": ("supernet.recipe.batch_size", int, "its batch size"),
    "--lr": ("supernet.recipe.lr", float, "its learning rate"),
    "--sampler": ("supernet.sampler", str, "bernoulli | uniform-count | complement | sandwich"),
    "--tune": ("supernet.tune", str, "what learns on pretrained weights: attention | all"),
    "--supernet": ("supernet.weights", str, "use this trained network (.safetensors)"),
    "--searcher": (
        "search.searcher",
        str,
        "a name in SEARCHERS, optuna:Sampler or module:Class; options as in 'random tries=50'",
    ),
    "--budget": (
        "search.budget",
        int,
        "distinct evaluations, the named placements included; these are always evaluated",
    ),
    "--cohort": ("search.cohort", int, "placements asked for at once"),
    "--steps": ("search.steps", int, "stop after so many cohorts, spent budget or not"),
    "--warm-start": ("search.warm_start", str, "learn from this run's trials first: same sites"),
    "--objective": ("search.objective", str, "such as 'accuracy - 0.02 latency'"),
    "--budget-cost": ("search.limits", str, "such as 'latency < 1.10x, sites <= 8'"),
    "--cost-axis": ("cost_axis", str, "cost axis of the front"),
    "--cost-image-size": ("cost_image_size", int, "price images of this size, not the data's"),
    "--evaluator": ("search.evaluator", str, "shared | standalone: a short training each"),
    "--verify": ("search.verify", int, "best placements to train stand-alone after the search"),
    "--train-workers": ("train_workers", int, "Ray workers that train the network together"),
    "--recalibrate": ("recalibrate", int, "images for norm statistics of a placement's own, or 0"),
    "--precision": (
        "evaluation.precision",
        str,
        "of shared-weight evaluation: float32 | tf32 | bfloat16 | float16",
    ),
    "--seed": ("seed", int, "seed of everything random"),
    "--device": ("device", str, "cpu, cuda, cuda:1, ...; the default is what there is"),
}


def add_run_parsers(commands: Any) -> None:
    """Describe `ean-search run` and `ean-search resume`."""
    run = commands.add_parser("run", help="train the supernet, search, and leave a run folder")
    add_space_flags(run)
    run.add_argument("--experiment", type=Path, help="experiment YAML; flags override it")
    run.add_argument("--name", help="name of the run's folder; date and time if none")
    add_trust_flag(run)
    run.add_argument("--results", type=Path, default=RESULTS_ROOT, help="folder of all runs")
    _add_experiment_flags(run)
    add_quick_flag(
        run,
        "small images and few of them, few epochs, batches that fit, a budget of 24",
        "other flags, and fields of --experiment, win",
    )
    add_json_flag(run)
    add_workers_flags(run)
    run.set_defaults(command=_run)
    _add_resume_parser(commands)


def _add_resume_parser(commands: Any) -> None:
    resume = commands.add_parser(
        "resume", help="continue a stopped run, or a finished one with more budget"
    )
    resume.add_argument("run", type=Path)
    resume.add_argument(
        "--budget", type=positive, help="search on, up to so many evaluations in all"
    )
    resume.add_argument("--steps", type=positive, help="search on, up to so many cohorts in all")
    resume.add_argument(
        "--force",
        action="store_true",
        help="go on with another device, number of threads or torch, though the history changes",
    )
    add_trust_flag(resume)
    add_workers_flags(resume)
    add_json_flag(resume)
    resume.set_defaults(command=_resume)


def _add_experiment_flags(parser: argparse.ArgumentParser) -> None:
    for flag, (_, kind, text) in EXPERIMENT_FLAGS.items():
        parser.add_argument(flag, type=kind, help=text)
    parser.add_argument(
        "--pretrained",
        nargs="?",
        const="timm",
        metavar="SOURCE",
        help="start from timm's weights, from package:NAME, local-dir:FOLDER, or from a file",
    )
    parser.add_argument("--download", action="store_true", default=None, help="fetch the data set")
    parser.add_argument(
        "--racing", action="store_true", default=None, help="stop clearly worse placements early"
    )
    add_set_flag(parser)


def _experiment_changes(args: argparse.Namespace) -> dict[str, Any]:
    """Gather the fields of an experiment that flags set."""
    own = read_space_flags(args)
    changes = {f"space.{name}": value for name, value in own.items()}
    if args.space:
        changes = {"space": {"base": args.space}} | changes
    if args.backbone:
        changes = {"space": own}
    for flag, (field, _, _) in EXPERIMENT_FLAGS.items():
        changes[field] = getattr(args, flag.strip("-").replace("-", "_"))
    changes |= {"data.image_size": args.image_size, "data.download": args.download}
    changes["search.racing"] = args.racing
    changes["supernet.pretrained"] = args.pretrained
    changes |= read_set_flag(args)
    return {field: value for field, value in changes.items() if value is not None}


def _run(args: argparse.Namespace) -> None:
    from ean_search.runs.experiment import given_fields, load_experiment
    from ean_search.runs.new_folder import run_path
    from ean_search.runs.pipeline import started_run
    from ean_search.runs.quick import quick_run

    if not args.space and not args.backbone and not args.experiment:
        raise UserError(
            "expected --space NAME, --backbone NAME or --experiment FILE; "
            "`ean-search spaces` lists spaces"
        )
    changes = _experiment_changes(args)
    experiment = load_experiment(args.experiment, changes, args.trust)
    if args.quick:
        quick = quick_run(experiment, given_fields(args.experiment, changes))
        say_quick(quick)
        experiment = load_experiment(args.experiment, changes | quick, args.trust)
    workers = read_workers(args)
    name = args.name if args.name is not None else datetime.now().strftime("%Y-%m-%d-%H%M%S")
    folder = run_path(args.results, experiment.space.name, name)
    with started_run(experiment, folder, numbered=args.name is None) as run:
        _proceed(run, workers, args.json)


def _resume(args: argparse.Namespace) -> None:
    from ean_search.analysis.run_folder import load_run

    limits = {"budget": args.budget, "steps": args.steps, "force": args.force}
    _proceed(load_run(args.run, args.trust), read_workers(args), args.json, limits)


def _proceed(run: Any, workers: Any, as_json: bool, limits: dict[str, Any] | None = None) -> None:
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
            do_run(run, progress, workers, **(limits or {}))
    except KeyboardInterrupt:
        say(f"\n{_how_to_go_on(run, workers)}")
        raise
    except Exception as error:  # what it says comes last
        if not run.trials_file.is_file():
            say(_how_to_begin_again(run))
        elif system_failure(error):
            say(_how_to_go_on(run, workers))
        raise
    summary = json.loads(run.summary_file.read_text())
    if as_json:
        print_event("summary", summary)
    else:
        print_summary(run, summary)
    note_file(run.front_table)


def _how_to_go_on(run: Any, workers: Any) -> str:
    command = f"ean-search resume {run.path}{flags_of(workers)}"
    return f"what is done is kept; continue with: {command}"


def _how_to_begin_again(run: Any) -> str:
    return (
        f"{run.path} has no trial yet: `run` with --name {run.path.name} starts it anew, also with "
        "other settings"
    )
