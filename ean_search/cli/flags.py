"""What several commands have in common: flags for scripts and for any field, frames to keep."""

import argparse
from pathlib import Path
from typing import Any

from ean_search.utils.errors import UserError


def add_set_flag(parser: argparse.ArgumentParser) -> None:
    """Let any field of an experiment be set."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any field of the experiment, such as supernet.recipe.optimizer=sgd",
    )


def add_json_flag(parser: argparse.ArgumentParser) -> None:
    """Let scripts read what is said."""
    parser.add_argument("--json", action="store_true", help="print events, one JSON a line")


def positive(text: str) -> int:
    """Read how many of something are wanted."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text!r}")
    return int(text)


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
    from ean_search.cli.tables import print_frame

    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, float_format="%.5g")
    print(f"\n{path}")
    print_frame((frame if shown is None else shown).drop(columns="hardware", errors="ignore"))
