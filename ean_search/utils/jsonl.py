"""JSON lines that several processes add to, and that a kill may tear; knows nothing of contents.

A row is written in one go to the end of the file. What was torn is dropped when reading, and the
next row begins a line of its own, so nothing is ever repaired.
"""

import json
import logging
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


def add_line(path: Path, row: dict[str, Any]) -> None:
    """Append a row."""
    with path.open("a+b", buffering=0) as file:
        torn = file.seek(0, 2) > 0 and file.seek(-1, 2) >= 0 and file.read(1) != b"\n"
        file.write(b"\n" * torn + json.dumps(row).encode() + b"\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read all rows that are whole."""
    rows = []
    for number, line in enumerate(path.read_text().splitlines() if path.is_file() else [], 1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            log.warning("%s, line %d: dropped, it was not written to the end", path, number)
    return rows


def share(work: list[Any], part: tuple[int, int]) -> list[Any]:
    """Return one of several even parts of a list: of (1, 2) every other entry, from the first."""
    number, parts = part
    return work[number - 1 :: parts]
