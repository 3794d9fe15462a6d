"""What several commands share: flags, how they are read, and frames that are saved and printed."""

import argparse
import logging
from pathlib import Path
from typing import Any

from ean_search.cli.explain_columns import note_file
from ean_search.utils.errors import UserError
from ean_search.utils.trust import read_trust

log = logging.getLogger(__name__)


def add_set_flag(parser: argparse.ArgumentParser) -> None:
    """Let any field of an experiment be set."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any field of the experiment, such as supernet.recipe.optimizer=sgd",
    )


def add_space_flags(parser: argparse.ArgumentParser) -> None:
    """Let a space be named, or described by its backbone and attention."""
    parser.add_argument("--space", help="name of a shipped space, or a YAML file")
    parser.add_argument(
        "--backbone", help="in place of a space: any timm model, or module:function"
    )
    parser.add_argument(
        "--attention",
        help="by name, in place of the space's own; `bench attentions` describes all",
    )
    parser.add_argument("--position", choices=("residual", "block", "qkv", "mixer"))
    parser.add_argument("--sharing", choices=("stage", "whole", "none"))
    parser.add_argument("--unit-gate", action=argparse.BooleanOptionalAction, default=None)
    parser.add_argument("--image-size", type=positive)


def add_json_flag(parser: argparse.ArgumentParser) -> None:
    """Let scripts read what is said."""
    parser.add_argument("--json", action="store_true", help="print events, one JSON a line")


def add_trust_flag(parser: argparse.ArgumentParser) -> None:
    """Let plug-ins be trusted that a file of somebody else's names."""
    parser.add_argument(
        "--trust",
        action="extend",
        type=read_trust,
        default=[],
        metavar="NAMES",
        help="modules that the folder may name and import: my_attn,my_data (see SECURITY.md)",
    )


def add_quick_flag(parser: argparse.ArgumentParser, sets: str, winners: str) -> None:
    """Let settings be chosen that take minutes; the winners are what stays as it is given."""
    text = f"a trial on any data in minutes: sets {sets}; {winners}, and what is set is said"
    parser.add_argument("--quick", action="store_true", help=text)


def say_quick(changes: dict[str, Any]) -> None:
    """Say what `--quick` set, in the form of `--set`."""
    if not changes:
        log.info("--quick sets nothing: all that it would set is given")
        return
    listed = " ".join(f"{field}={value}" for field, value in changes.items())
    log.info("--quick sets %s (%s)", listed, "to try things out: its accuracies are no result")


def positive(text: str) -> int:
    """Read how many of something are wanted."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text!r}")
    return int(text)


def read_set_flag(args: argparse.Namespace) -> dict[str, Any]:
    """Read the fields that were set."""
    from ean_search.utils.config import read_value

    changes = {}
    for text in args.set:
        field, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"expected --set FIELD=VALUE, got {text!r}")
        changes[field] = read_value(value)
    return changes


def read_space_flags(args: argparse.Namespace) -> dict[str, Any]:
    """Gather the fields of a space that flags set."""
    fields = ("attention", "position", "sharing", "unit_gate", "image_size")
    changes = {name: getattr(args, name) for name in fields}
    if args.backbone:
        if args.space:
            raise UserError("expected --space or --backbone, got both")
        attention = args.attention or "se"
        own = {"name": f"{args.backbone}_{attention}".replace(":", "_").replace("/", "_")}
        changes |= own | {"backbone": args.backbone, "attention": attention}
    return {name: value for name, value in changes.items() if value is not None}


def save_and_print(frame: Any, path: Path, shown: Any = None) -> None:
    """Write a frame and show it, or what is to be seen of it."""
    from ean_search.cli.tables import print_frame
    from ean_search.utils.files import save_csv

    path.parent.mkdir(parents=True, exist_ok=True)
    save_csv(frame, path, "%.5g")
    print(f"\n{path}")
    shown = (frame if shown is None else shown).drop(columns="hardware", errors="ignore")
    print_frame(shown, path.name)
    note_file(path)
