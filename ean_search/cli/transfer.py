"""The `transfer` command: retrained networks as backbones for another task."""

import argparse
from pathlib import Path
from typing import Any

from ean_search.cli.explain_columns import note_file
from ean_search.cli.flags import add_trust_flag, positive

SCRATCH_SEEDS = 3  # where there are no retrainings whose seeds could be taken


def add_transfer_parser(commands: Any) -> None:
    """Describe `ean-search transfer`."""
    transfer = commands.add_parser("transfer", help="use retrained networks for another task")
    transfer.add_argument("run", type=Path)
    transfer.add_argument(
        "--task", required=True, help="detect | segment[:deeplabv3] | classify:DATA"
    )
    transfer.add_argument("--placement", default="best", help="best, knee, a name or a placement")
    transfer.add_argument("--compare", default="none,all", metavar="NAMES")
    transfer.add_argument(
        "--seeds",
        type=positive,
        help="how many; if none, those with which all placements are retrained",
    )
    transfer.add_argument("--seed", type=int, help="the first one")
    transfer.add_argument(
        "--recipe", help="that the networks were retrained by; if none, that of most of them"
    )
    transfer.add_argument("--scratch", action="store_true", help="start from fresh weights")
    transfer.add_argument("--epochs", type=positive, help="of the task")
    transfer.add_argument("--images", type=positive, help="training scenes; a quarter as many test")
    transfer.add_argument("--data-root", help="of the data to classify")
    transfer.add_argument("--device")
    add_trust_flag(transfer)
    transfer.set_defaults(command=_transfer)


def _transfer(args: argparse.Namespace) -> None:
    from ean_search.analysis.run_folder import load_run
    from ean_search.cli.progress import show_progress
    from ean_search.cli.tables import print_comparison
    from ean_search.retrain.compare import select_placements
    from ean_search.retrain.retrain import plan_retraining
    from ean_search.retrain.trained import choose_trainings
    from ean_search.retrain.transfer.runner import Transfer, transfer

    run, task = load_run(args.run, args.trust), _make_task(args)
    changes = {"seed": args.seed, "device": args.device}
    changes = {field: value for field, value in changes.items() if value is not None}
    plan = plan_retraining(run, changes, args.recipe)
    chosen = select_placements(run, args.placement, args.compare, plan.experiment.seed)
    if not args.scratch:
        plan = choose_trainings(plan, [p for placements in chosen.values() for p in placements])
    transfers, seeds = Transfer(plan, task, args.scratch), _choose_seeds(args, plan, chosen)
    with show_progress() as progress:
        frame = transfer(transfers, chosen, seeds, progress)
    print(f"{task.metric} of {task.name}; costs are those of the backbones")
    print(_describe_backbones(transfers, seeds))
    print_comparison(frame, run.read_costs(), task.metric)
    table = transfers.folder / "comparison.csv"
    note_file(table)
    print(table)


def _choose_seeds(args: argparse.Namespace, plan: Any, chosen: Any) -> list[int]:
    """Return the seeds that were asked for, or those of the retrainings that exist."""
    from ean_search.retrain.trained import default_seeds

    first = plan.experiment.seed
    if args.seeds or args.scratch:
        return list(range(first, first + (args.seeds or SCRATCH_SEEDS)))
    placements = [placement for some in chosen.values() for placement in some]
    return default_seeds(plan, placements, args.seed)


def _describe_backbones(transfers: Any, seeds: list[int]) -> str:
    """Say what backbones start from."""
    plan = transfers.plan
    start = f"retrained by {plan.recipe or 'the recipe of the run'}"
    if plan.pretrained:
        start += f" from pretrained weights ({plan.pretrained})"
    start = "with random weights" if transfers.scratch else start
    return f"backbones {start}; seeds {', '.join(map(str, seeds))}"


def _make_task(args: argparse.Namespace) -> Any:
    """Make the task, with as many epochs and images as flags say."""
    from dataclasses import replace

    from ean_search.retrain.transfer.task import make_task

    options = {"root": args.data_root} if args.data_root else {}
    if args.images:
        options |= {"train": args.images, "test": max(10, args.images // 4)}
    task = make_task(args.task, **options)
    if not args.epochs:
        return task
    return replace(task, recipe=task.recipe.model_copy(update={"epochs": args.epochs}))
