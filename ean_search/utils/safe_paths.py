"""Where files may be written: inside the folder that the user means, and over ordinary files only.

A folder from elsewhere may hold links that lead out of it, and a name may hold `../`.
"""

import os
import stat
from pathlib import Path
from typing import IO

from ean_search.utils.errors import UserError

MAX_NAME_BYTES = 200  # file systems allow 255, and suffixes are added


def check_name(name: str, what: str) -> str:
    """Return a name that is to be that of a folder, if it is one name and no path.

    Args:
        name: The name.
        what: What it names; the error message begins with it.

    Raises:
        UserError: If it is empty, too long, a path, or has characters that cannot be printed.
    """
    is_path = name in ("", ".", "..") or any(mark in name for mark in "/\\\0")
    if is_path or not name.isprintable() or len(name.encode()) > MAX_NAME_BYTES:
        shown = ascii(name[:MAX_NAME_BYTES])
        raise UserError(f"{what}: expected one name for a folder, without / or \\, got {shown}")
    return name


def check_output(path: Path) -> None:
    """Refuse to write over what is no ordinary file.

    Raises:
        UserError: If the path is a folder, a device, a link or the like.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a link" if stat.S_ISLNK(mode) else "a device"
        raise UserError(f"cannot write {path}: it is {kind}, not an ordinary file")


def refuse_links(folder: Path) -> None:
    """Refuse a folder in which symbolic links would lead writing elsewhere.

    Args:
        folder: The folder; it may be a link itself.

    Raises:
        UserError: If there is a link below it; the message names it.
    """
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if os.path.islink(path := os.path.join(parent, name)):
                raise UserError(
                    f"{path} is a symbolic link: nothing is written in a run that has links; put a "
                    "copy in its place, or remove it"
                )


def make_folder(folder: Path) -> None:
    """Make a folder for files; refuse one that is a link, or holds links.

    Raises:
        UserError: If there is a link; the message names it.
    """
    if folder.is_symlink():
        raise UserError(f"{folder} is a symbolic link: nothing is written there")
    folder.mkdir(parents=True, exist_ok=True)
    refuse_links(folder)


def append(path: Path, data: bytes) -> None:
    """Append to an ordinary file; it is in the file even if the process is killed right afterwards.

    Raises:
        UserError: If the path is a link or no ordinary file.
        OSError: If not all of it could be written.
    """
    with open_to_append(path) as file:
        write_all(file, data)


def write_all(file: IO[bytes], data: bytes) -> None:
    """Write to a file without a buffer, which may take a part only, as where a disk is full."""
    while data:
        data = data[file.write(data) :]


def open_to_append(path: Path) -> IO[bytes]:
    """Open an ordinary file for reading and appending, without a buffer; make it if necessary.

    Raises:
        UserError: If the path is a link or no ordinary file.
    """
    check_output(path)  # before opening: a FIFO would wait for somebody
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o666), "a+b", buffering=0)
