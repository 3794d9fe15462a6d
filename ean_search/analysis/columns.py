"""What the columns of tables and CSV files mean; templates/columns.yaml is what says it.

The command line prints it after a table (`--explain-columns`), and docs/columns.md lists it all. A
new column needs a line in that file; tests/analysis/test_columns.py finds columns without one.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

NO_HEADER = "(no header)"
PREFACE = """\
What the columns of tables and CSV files mean; `--explain-columns` prints it for what a command
prints and writes. The section of a table or file says what is not said under "Everywhere", or
differs there. `python -m tests.analysis.test_columns` writes this page, from
`ean_search/analysis/templates/columns.yaml`."""


class Column(NamedTuple):
    """A column's unit, empty for words, and its meaning in one line."""

    unit: str
    meaning: str


Columns = Mapping[str, Column]


def _read(texts: Mapping[str, list[str]]) -> dict[str, Column]:
    return {name: Column(*text) for name, text in texts.items()}


SOURCE = Path(__file__).parent / "templates" / "columns.yaml"
_TEXTS = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
GENERAL: Columns = _read(_TEXTS["general"])
PATTERNS: Columns = _read(_TEXTS["patterns"])  # by regular expressions for names
TABLES: Mapping[str, Columns] = {name: _read(texts) for name, texts in _TEXTS["tables"].items()}
ALIASES: Mapping[str, str] = _TEXTS["aliases"]


def table_of(name: str) -> str:
    """Return the key of TABLES for a table's name or a file's stem: that of its beginning.

    Args:
        name: Such as `front`, `supernet_eight` or `comparison`.
    """
    keys = sorted({*TABLES, *ALIASES}, key=len, reverse=True)
    found = next((key for key in keys if re.match(rf"{key}(_|$)", name)), name)
    return ALIASES.get(found, found)


def find_column(name: str, table: str = "") -> Column | None:
    """Return what a column means, or None if nothing is known about it.

    Args:
        name: The column's header.
        table: The name of its table, or the stem of its file.
    """
    own = TABLES.get(table_of(table), {}).get(name)
    if own or name in GENERAL:
        return own or GENERAL[name]
    return next((text for form, text in PATTERNS.items() if re.fullmatch(form, name)), None)


def explain(names: Iterable[str], table: str = "") -> list[str]:
    """Write a line for each column: its name, unit and meaning.

    Args:
        names: The columns' headers.
        table: The name of their table, or the stem of their file.
    """
    known = {name: find_column(name, table) or Column("", "not explained") for name in names}
    return _write(known)


def _write(columns: Columns) -> list[str]:
    names = {name: name or NO_HEADER for name in columns}
    width = max(map(len, names.values()), default=0)
    units = max((len(column.unit) for column in columns.values()), default=0)
    return [
        f"{names[name]:<{width}}  {column.unit:<{units}}  {column.meaning}"
        for name, column in columns.items()
    ]


def columns_page() -> str:
    """Write docs/columns.md."""
    parts = ["# Columns", PREFACE, "## Everywhere", _markdown(GENERAL)]
    parts += ["## With a number or a name in them", _markdown(PATTERNS)]
    for table, columns in TABLES.items():
        files = [name for name, key in ALIASES.items() if key == table]
        parts += [f"## {', '.join([table, *files])}", _markdown(columns)]
    return "\n\n".join(parts) + "\n"


def _markdown(columns: Columns) -> str:
    """Write columns as a Markdown table."""
    cells = [(f"`{name}`" if name else NO_HEADER, *column) for name, column in columns.items()]
    rows = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in cells]
    return "\n".join(["| Column | Unit | Meaning |", "| --- | --- | --- |", *rows])
