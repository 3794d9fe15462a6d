"""Versions of the formats of files: an older one is read, a newer one is refused in one line.

Raise a version with every change that older versions of the package would misread.
"""

from typing import Any

from ean_search.utils.errors import UserError, shorten

FORMAT_KEY = "format"
# A file without a version is of the first one.
FORMATS = {"run": 2, "cost table": 1, "checkpoint": 1, "training": 1}


def check_format(value: Any, kind: str, where: str) -> None:
    """Refuse a version that this package does not know yet.

    Args:
        value: The version in the file; None if it has none.
        kind: A key of `FORMATS`.
        where: The file, for the error message.

    Raises:
        UserError: If it is newer, or no version.
    """
    known = FORMATS[kind]
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UserError(
            f"{where}: format: expected a version such as {known}, got {shorten(value)}"
        )
    if value > known:
        raise UserError(
            f"{where} was written by a newer ean-search: format {value} of a {kind}, and this "
            f"version reads formats up to {known}"
        )
