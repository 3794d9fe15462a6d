"""A lock on a file, so that only one process at a time writes a folder.

The operating system holds it: it ends with its process, also after `kill -9`.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ean_search.utils.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def only_writer(path: Path, what: str) -> Iterator[None]:
    """Hold a lock in the block; the file is removed at its end.

    Args:
        path: The file of the lock; its folder must exist.
        what: What it protects, the beginning of the error message.

    Raises:
        UserError: If another process holds it; it says which one.
    """
    file = _acquire(path, what)
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
    finally:
        path.unlink(missing_ok=True)  # before the lock ends, else it may be another process's
        file.close()


def _acquire(path: Path, what: str) -> IO[str]:
    """Open the file and lock it; try again if its last holder removed it meanwhile."""
    while True:
        file = path.open("a+")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read() or "another process"
            file.close()
            raise UserError(f"{what} is in use by {holder}: wait for it, or stop it") from error
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
        file.close()
