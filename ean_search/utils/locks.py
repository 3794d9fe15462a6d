"""A lock on a file, so that only one process at a time writes a folder.

The operating system holds it: it ends with its process, also after `kill -9`. The file says who has
it; that the file exists means nothing.
"""

import getpass
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ean_search.utils.errors import UserError
from ean_search.utils.safe_paths import open_to_append, write_all

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)
SECONDS_TO_SIGN = 1.0  # in which a new holder writes its name
SECONDS_IN_SILENCE = 2.0  # of waiting
POLL_SECONDS = 0.05
# What this process holds: the file, how often, and by which thread.
_held: dict[Path, tuple[IO[bytes], int, int]] = {}


@contextmanager
def only_writer(path: Path, what: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock in the block; the file is removed at its end.

    A thread that holds it may take it again; the lock ends with the outer block.

    Args:
        path: The file of the lock; its folder is made if it does not exist.
        what: What it protects, the beginning of messages.
        wait: Wait for another holder, for what is only computed once; else that is an error.

    Raises:
        UserError: If another process holds it; it says which one.
    """
    key = path.parent.resolve() / path.name
    file, count, owner = _held.get(key, (None, 0, 0))
    if file is None or owner != threading.get_ident():
        file, count = _acquire(path, what, wait), 0
        file.truncate(0)
        write_all(file, _describe_self().encode())
    _held[key] = (file, count + 1, threading.get_ident())
    try:
        yield
    finally:
        if count:
            _held[key] = (file, count, threading.get_ident())
        else:
            _held.pop(key, None)
            path.unlink(missing_ok=True)  # before the lock ends, else it may be another process's
            file.close()


def _acquire(path: Path, what: str, wait: bool) -> IO[bytes]:
    """Open the file and lock it; try again if its last holder removed it meanwhile."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = open_to_append(path)
        except FileNotFoundError:  # the last holder removed the folder, too
            continue
        try:
            _lock(file, what, wait)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _lock(file: IO[bytes], what: str, wait: bool) -> None:
    if fcntl is None:
        return  # type: ignore[unreachable]
    deadline = time.monotonic() + SECONDS_IN_SILENCE * wait
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if not wait:
                holder = _read_holder(file)
                raise UserError(f"{what} is in use by {holder}: wait for it, or stop it") from error
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    log.info("%s: waiting for %s", what, _read_holder(file))
    fcntl.flock(file, fcntl.LOCK_EX)


def _read_holder(file: IO[bytes]) -> str:
    """Read who holds a lock, who may be about to write it."""
    deadline = time.monotonic() + SECONDS_TO_SIGN
    while True:
        file.seek(0)
        holder = file.read(1000).decode(errors="replace")
        if holder.isprintable() and holder:
            return holder
        if time.monotonic() > deadline:
            return "another process"
        time.sleep(POLL_SECONDS)


def _describe_self() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        user = str(os.getuid())
    return f"process {os.getpid()} on {socket.gethostname()}, started by {user}"


def _forget_locks() -> None:
    """Close the files in a copy of the process, which would keep the locks after its end."""
    for file, _, _ in _held.values():
        file.close()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)
