"""The process of a command: its streams, its logging, and how it says that it failed."""

import io
import logging
import os
import select
import sys
import threading

from ean_search.utils.errors import system_failure


def prepare_process() -> None:
    """Set up streams and logging, so that no failure of theirs becomes a traceback."""
    for number in range(3):  # a closed one would be the next file that is opened
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file may have any name
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("ean_search").setLevel(logging.INFO)  # libraries speak up from warnings on
    logging.raiseExceptions = False  # where nobody can read what is logged
    threading.excepthook = _say_of_thread


def fail(reason: str) -> int:
    """Say why the command failed, and return its exit code."""
    say(f"ean-search: {reason}")
    _drop_what_cannot_be_written()
    return 2


def say(text: str) -> None:
    """Write a line of errors, if that is possible."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _to_nowhere(2)


def readers_are_gone() -> bool:
    """Say whether nobody reads the output any more; then the rest of it goes nowhere."""
    poller = select.poll()
    for stream in (sys.stdout, sys.stderr):
        poller.register(stream.fileno(), 0)  # 0: errors only
    broken = [number for number, _ in poller.poll(0)]
    for number in broken:
        _to_nowhere(number)
    return bool(broken)


def _drop_what_cannot_be_written() -> None:
    """Keep Python from failing at its end because of output that was never written."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _to_nowhere(1)


def _to_nowhere(number: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _say_of_thread(failed: threading.ExceptHookArgs) -> None:
    """Say in one line that the system made a thread fail; other errors keep their traceback."""
    reason = None if failed.exc_value is None else system_failure(failed.exc_value)
    if reason is None:
        threading.__excepthook__(failed)
    else:
        say(f"ean-search: {reason}")
