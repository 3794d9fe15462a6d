"""JSON Lines files that survive a crash; this module does not interpret their rows.

A row is appended to the file by one write. If a crash interrupts it, the file ends with an
incomplete line. Readers drop such a line, and the next row starts on a new line, so a file is never
repaired.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from ean_search.utils.errors import UserError
from ean_search.utils.safe_paths import open_to_append, write_all

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LogRows(Generic[T]):
    """The complete rows of a file, and the number of bytes that they take."""

    rows: list[T]
    complete_bytes: int  # up to the end of the last complete row


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Append a row; other processes may append to the same file."""
    with open_to_append(path) as file:
        incomplete = file.seek(0, 2) > 0 and file.seek(-1, 2) >= 0 and file.read(1) != b"\n"
        write_all(file, b"\n" * incomplete + json.dumps(row).encode() + b"\n")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a file that several processes append to; drop incomplete lines with a warning."""
    rows = []
    for number, line in enumerate(_lines(path), 1):
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError("expected an object")
            rows.append(row)
        except (ValueError, RecursionError):
            log.warning("%s, line %d: dropped, it was not written to the end", path, number)
    return rows


def read_log(path: Path, parse: Callable[[str], T]) -> LogRows[T]:
    """Read a file that one process appends to; only its last line may be incomplete.

    Args:
        path: The file; if it does not exist, there are no rows.
        parse: Turns one line into a row; raises a ValueError if it cannot.

    Returns:
        The rows, without an incomplete last line.

    Raises:
        UserError: If a line that is not the last cannot be read.
    """
    lines = _lines(path)
    rows: list[T] = []
    complete_bytes = 0
    for number, line in enumerate(lines, 1):
        try:
            if not line.endswith(b"\n"):
                raise UserError("the line has no end")
            rows.append(parse(line.decode()))
        except ValueError as error:
            if number == len(lines) and not (line.endswith(b"\n") and _is_json(line)):
                break
            raise UserError(f"{path}, line {number}: {error}. Nothing was changed") from error
        complete_bytes += len(line)
    return LogRows(rows, complete_bytes)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True) if path.is_file() else []
