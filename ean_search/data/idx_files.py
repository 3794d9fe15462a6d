"""Read the IDX files in which MNIST and its relatives are published, gzipped or not."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from ean_search.utils.errors import UserError, first_line

UNSIGNED_BYTE = 0x08  # the type of elements in the third byte of the magic number


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read the array of bytes in an IDX file.

    Args:
        path: The file; if its name ends in .gz, it is unpacked.
        dimensions: The number of dimensions that the array must have.

    Returns:
        The array, read-only.

    Raises:
        UserError: If the file cannot be read, is of another kind, or is longer or shorter than its
            header says; the message names it.
    """
    content = _read(path)
    header = 4 + 4 * dimensions
    magic = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    if content[:4] != magic:
        raise UserError(
            f"{path} is no IDX file of {dimensions} dimensions: it starts with "
            f"{content[:4].hex() or 'nothing'}, not {magic.hex()}"
        )
    if len(content) < header:
        raise UserError(f"{path} is truncated: its header has {len(content)} of {header} bytes")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    expected = header + math.prod(shape)
    if len(content) != expected:
        kind = "truncated" if len(content) < expected else "too long"
        sizes = " x ".join(map(str, shape))
        raise UserError(
            f"{path} is {kind}: {len(content)} bytes, but {sizes} elements and a header are "
            f"{expected}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path}: {first_line(error)}") from error
