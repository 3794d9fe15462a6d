"""The `export` command: writes a retrained network in a form that others open."""

import argparse
from pathlib import Path
from typing import Any

from ean_search.cli_retrain import warn_of_unfinished


def add_export_parser(commands: Any) -> None:
    """Describe `ean-search export`."""
    export = commands.add_parser("export", help="write a retrained network for others to open")
    add_trained_flags(export)
    export.add_argument(
        "--format", default="timm", help="timm | onnx | torch | safetensors, or several: timm,onnx"
    )
    export.add_argument("--output", type=Path, help="folder; `export` beside the weights if none")
    export.set_defaults(command=_export)


def add_trained_flags(parser: argparse.ArgumentParser) -> None:
    """Let a retrained network be named."""
    parser.add_argument("source", type=Path, help="a run, or a retrained network's folder")
    parser.add_argument("--placement", default="best", help="of a run's retrained networks")
    parser.add_argument("--recipe", help="that it was retrained by")
    parser.add_argument("--seed", type=int, help="the lowest there is, if none")


def find_checkpoint(args: argparse.Namespace) -> Any:
    """Open the retrained network that the flags name."""
    from ean_search.checkpoint import find_trained, open_checkpoint
    from ean_search.folder import Run

    run = Run(args.source)
    if not run.experiment.is_file():
        return open_checkpoint(args.source)
    warn_of_unfinished(run, args.placement)
    return find_trained(run, run.find(args.placement), args.recipe, args.seed)


def _export(args: argparse.Namespace) -> None:
    from ean_search.export import export

    checkpoint = find_checkpoint(args)
    for form in args.format.split(","):
        done = export(checkpoint, form.strip(), args.output)
        print(f"{done.path}: loaded back, logits differ by at most {done.difference:.1e}")
