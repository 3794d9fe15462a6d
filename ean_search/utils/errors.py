"""Errors that the user can fix, and the wording of errors in one line."""

import difflib
import errno
import os
import reprlib
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# Where code of others is: this package, the standard library, and what was installed.
CODE_OF_OTHERS = (
    str(Path(__file__).parents[1]),
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    "<frozen",
)
# What the operating system says in the message of somebody else's error.
REASONS_TO_STOP = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EMFILE,
    errno.ENFILE,
    errno.EACCES,
    errno.EIO,
)
MAX_LINE_LENGTH = 300
MAX_NAMES_LISTED = 60  # if there are more known names, a message gives only their number


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120


class UserError(ValueError):
    """An error that the user can fix; the command line shows it as one line without a traceback."""


class DivergedError(UserError):
    """The loss of a training is not a finite number any more."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Make the error for an unknown name; its message suggests the most similar known name.

    Args:
        kind: The kind of thing that was looked up, such as "searcher".
        name: The unknown name.
        known: All valid names.

    Returns:
        The error, to be raised by the caller.
    """
    known = sorted(known)
    nearest = difflib.get_close_matches(name, known, n=1) if len(name) < MAX_LINE_LENGTH else []
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ";"
    names = ", ".join(known) if len(known) <= MAX_NAMES_LISTED else f"{len(known)} names"
    return UserError(f"unknown {kind} {shorten(name)}{hint} known: {names}")


def system_failure(error: BaseException) -> str | None:
    """Describe an error of the operating system in one line: a full disk, a missing right.

    Args:
        error: What was raised; libraries may have put an error of their own around the system's.

    Returns:
        One line with the file, if it is known; None if the error is of another kind.
    """
    if isinstance(error, OSError):
        reason = error.strerror or last_line(error)
        files = [str(f) for f in (error.filename, error.filename2) if f is not None]
        return ": ".join([" -> ".join(files), reason]) if files else reason
    if isinstance(error.__cause__, OSError):
        return system_failure(error.__cause__)
    reasons = (os.strerror(number) for number in REASONS_TO_STOP)
    return first_line(error, lines=3) if any(r in str(error) for r in reasons) else None


def last_line(error: BaseException) -> str:
    """Return the last line of an error's message, where a traceback of another process ends."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:MAX_LINE_LENGTH] if lines else type(error).__name__


def shorten(value: Any) -> str:
    """Write any value for a message; of a long one, only the beginning and the end."""
    text = _SHORT.repr(value)
    return text if len(text) <= MAX_LINE_LENGTH else f"{text[:MAX_LINE_LENGTH]}..."


def first_line(error: BaseException, lines: int = 1) -> str:
    """Join the first lines of an error's message, or return its class name if it has no message."""
    message = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(message[:lines]) or type(error).__name__


def describe_crash(error: BaseException) -> str:
    """Describe an error in a plug-in: its class, its message, and where the plug-in raised it.

    Args:
        error: The error as it was caught.

    Returns:
        One line, such as "KeyError: 'x' (my.py, line 12)"; the line is the last one that is neither
        of this package nor of an installed one.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(CODE_OF_OTHERS)]
    name, message = type(error).__name__, first_line(error)
    crash = name if message == name else f"{name}: {message}"
    if isinstance(error, SyntaxError) or not own:  # a SyntaxError says itself where
        return crash
    return f"{crash} ({Path(own[-1].filename).name}, line {own[-1].lineno})"
