"""The answers behind the accuracies of a trial log, in a file beside it.

A line is written before that of its trial, so that every trial whose evaluator gives answers has
them. A crash may leave answers of a trial that was not logged; when that is evaluated again, the
later line counts.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from ean_search.core.answers import Answers
from ean_search.core.space import Placement, Space
from ean_search.utils.errors import UserError, shorten
from ean_search.utils.jsonl import append_row, read_rows
from ean_search.utils.safe_paths import open_to_append


def answers_file(trials_file: Path) -> Path:
    """Return the file of answers that belongs to a trial log."""
    return trials_file.with_suffix(".answers.jsonl")


def append_answers(path: Path, placement: Placement, answers: Answers) -> None:
    """Add a placement's answers to a file."""
    row = {"placement": str(placement), "images": answers.images, "packed": answers.packed}
    append_row(path, row)


def sync_answers(path: Path) -> None:
    """Wait until all answers are on the disk."""
    if path.is_file():
        with open_to_append(path) as file:
            os.fsync(file.fileno())


def read_answers(path: Path, space: Space) -> Mapping[Placement, Answers]:
    """Read the answers of a file by placement; a file that is not there has none.

    Args:
        path: The file.
        space: The space of the placements.

    Raises:
        UserError: If a complete line of it is no placement's answers.
    """
    found = {}
    for number, row in enumerate(read_rows(path), 1):
        try:
            text = row.get("placement")
            if not isinstance(text, str):
                raise UserError(f"placement: expected text, got {shorten(text)}")
            found[space.parse(text)] = Answers.from_fields(row)
        except UserError as error:
            raise UserError(f"{path}, row {number}: {error}") from error
    return found
