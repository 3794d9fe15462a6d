"""JSON lines that a crash may tear; knows nothing of their contents.

A row is written in one go to the end of the file. A torn row is dropped when reading, and the next
row begins a line of its own, so nothing is ever repaired.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from ean_search.utils.errors import UserError

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lines(Generic[T]):
    """The rows of a file, and how many of its bytes they take."""

    rows: list[T]
    whole_bytes: int  # up to the end of the last row; what follows was torn


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Append a row; other processes may append to the same file."""
    with path.open("a+b", buffering=0) as file:
        torn = file.seek(0, 2) > 0 and file.seek(-1, 2) >= 0 and file.read(1) != b"\n"
        file.write(b"\n" * torn + json.dumps(row).encode() + b"\n")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a file that several processes append to, each of which may have died."""
    rows = []
    for number, line in enumerate(_lines(path), 1):
        try:
            rows.append(json.loads(line))
        except ValueError:
            log.warning("%s, line %d: dropped, it was not written to the end", path, number)
    return rows


def read_log(path: Path, parse: Callable[[str], T]) -> Lines[T]:
    """Read the rows of a file with one writer, of which only the last may be torn.

    Args:
        path: The file; without one, there are no rows.
        parse: Reads one line; raises a ValueError if it cannot.

    Raises:
        UserError: If a line that is not the last cannot be read.
    """
    lines = _lines(path)
    rows: list[T] = []
    whole = 0
    for number, line in enumerate(lines, 1):
        try:
            if not line.endswith(b"\n"):
                raise UserError("the line has no end")
            rows.append(parse(line.decode()))
        except ValueError as error:
            if number == len(lines):
                break
            raise UserError(f"{path}, line {number}: {error}. Nothing was changed") from error
        whole += len(line)
    return Lines(rows, whole)


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True) if path.is_file() else []
