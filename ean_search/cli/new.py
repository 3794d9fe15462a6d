"""The command `new`: the first form of a plug-in, as a file to change."""

import argparse
from pathlib import Path
from typing import Any

from ean_search.testing.scaffold import KINDS, next_commands, write_plugin


def add_new_parser(commands: Any) -> None:
    """Describe `ean-search new`."""
    new = commands.add_parser("new", help="write a commented plug-in that works, to be changed")
    new.add_argument("kind", choices=list(KINDS))
    new.add_argument("name", metavar="NAME", help="a Python identifier: that of the file")
    new.set_defaults(command=_new)


def _new(args: argparse.Namespace) -> None:
    path = write_plugin(args.kind, args.name, Path())
    print(f"{path} works as it is; change it, and try:")
    for command in next_commands(args.kind, args.name):
        print(f"  {command}")
