"""Errors that the user can mend, and how errors are worded in one line."""

import difflib
from collections.abc import Iterable

NAMES_LISTED = 60  # more known names than this are counted, not listed


class UserError(ValueError):
    """Something the user can mend; the command line shows it as one line, without a traceback."""


class DivergedError(UserError):
    """The loss of a training is no finite number any more."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Word the error for a name that is not known, with the nearest known one.

    Args:
        kind: What the name should have named, such as "searcher".
        name: The unknown name.
        known: All names that would have been right.

    Returns:
        The error, to be raised by the caller.
    """
    known = sorted(known)
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ";"
    names = ", ".join(known) if len(known) <= NAMES_LISTED else f"{len(known)} names"
    return UserError(f"unknown {kind} {name!r}{hint} known: {names}")


def first_line(error: BaseException, lines: int = 1) -> str:
    """Return the first lines of an error's text as one, or the error's kind if it has no text."""
    told = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(told[:lines]) or type(error).__name__
