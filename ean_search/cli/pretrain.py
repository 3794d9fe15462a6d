"""The `pretrain` command: train the plain backbone, for runs that start from its weights."""

import argparse
from pathlib import Path
from typing import Any

from ean_search.cli.flags import add_json_flag, add_set_flag, read_set_flag


def add_pretrain_parser(commands: Any) -> None:
    """Describe `ean-search pretrain`."""
    parser = commands.add_parser("pretrain", help="train the plain backbone that runs start from")
    parser.add_argument("--experiment", type=Path, required=True, help="experiment YAML")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="NAME.safetensors; the experiment's supernet.pretrained if none",
    )
    add_set_flag(parser)
    add_json_flag(parser)
    parser.set_defaults(command=_pretrain)


def _pretrain(args: argparse.Namespace) -> None:
    from ean_search.cli.progress import print_event, show_progress
    from ean_search.retrain.pretrain import pretrain
    from ean_search.runs.experiment import load_experiment

    experiment = load_experiment(args.experiment, read_set_flag(args))
    with show_progress(args.json) as progress:
        metrics = pretrain(experiment, args.output, progress)
    if args.json:
        print_event("pretrained", metrics)
        return
    accuracy = 100 * metrics["search_accuracy"]
    print(
        f"{accuracy:.2f} % of {metrics['search_images']} search images, {metrics['params']:,} "
        f"parameters; {metrics['file']}\nnext: ean-search run --experiment {args.experiment}"
    )
