"""`--explain-columns`: what the columns of the tables and CSV files of a command mean.

Tables and files are noted where they are printed or written; `main` prints the explanations when
the command is at its end.
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

Noted = dict[str, list[str]]  # columns by the name of their table or file
_noted: ContextVar[Noted | None] = ContextVar("columns of this command", default=None)
COMMANDS = "spaces cost run resume pick retrain transfer explain prune".split()


def add_explain_columns(commands: Any, benches: Any) -> None:
    """Add the flag to the commands that print tables, and to all measurements."""
    with_tables = [commands.choices[name] for name in COMMANDS]
    for parser in (*with_tables, *benches.choices.values()):
        text = "say what each column of the tables and CSV files means"
        parser.add_argument("--explain-columns", action="store_true", help=text)


def note_columns(table: str, names: Iterable[str]) -> None:
    """Note the columns of a table or file, to be explained at the end if the user wants it."""
    noted = _noted.get()
    if noted is not None:
        known = noted.setdefault(table, [])
        known += [name for name in names if name not in known]


def note_file(path: Path) -> None:
    """Note the columns of a CSV file that was written."""
    with path.open(newline="", encoding="utf-8") as file:
        note_columns(path.name, next(csv.reader(file), []))


@contextmanager
def explain_columns(args: argparse.Namespace) -> Iterator[None]:
    """Print what the columns of a command's tables mean, if its flags ask for that."""
    if not getattr(args, "explain_columns", False):
        yield
        return
    noted: Noted = {}
    token = _noted.set(noted)
    try:
        yield
    finally:
        _noted.reset(token)
    _print_explanations(noted, sys.stderr if getattr(args, "json", False) else sys.stdout)


def _print_explanations(noted: Noted, file: Any) -> None:
    from ean_search.analysis.columns import explain

    for table, names in noted.items():
        print(f"\ncolumns of {table}:", file=file)
        for line in explain(names, Path(table).stem):
            print(f"  {line}", file=file)
