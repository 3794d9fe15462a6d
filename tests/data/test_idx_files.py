import gzip
import struct

import numpy as np
import pytest

from ean_search.data.idx_files import read_idx
from ean_search.utils.errors import UserError


def idx(shape, count=None):
    """Return an IDX file of 0, 1, 2, ..., with as many elements as its shape says, or `count`."""
    numbers = np.arange(int(np.prod(shape)) if count is None else count, dtype=np.uint8)
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + numbers.tobytes()


@pytest.mark.parametrize("gzipped", [False, True])
def test_an_array_comes_back(tmp_path, gzipped):
    path = tmp_path / ("x.gz" if gzipped else "x")
    path.write_bytes(gzip.compress(idx((2, 3, 4))) if gzipped else idx((2, 3, 4)))
    assert np.array_equal(read_idx(path, 3), np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x", b"", "is no IDX file of 1 dimensions: it starts with nothing, not 00000801"),
        ("x", idx((2, 3)), "starts with 00000802, not 00000801"),
        ("x", b"\x00\x00\x0d\x01" + bytes(4), "starts with 00000d01"),  # floats
        ("x", idx((5,))[:6], "is truncated: its header has 6 of 8 bytes"),
        ("x", idx((5,), 4), "is truncated: 12 bytes, but 5 elements and a header are 13"),
        ("x", idx((5,), 6), "is too long: 14 bytes"),
        ("x.gz", idx((5,)), "cannot read .*x.gz: Not a gzipped file"),
        ("x.gz", gzip.compress(idx((5,)))[:-9], "cannot read .*x.gz: Compressed file ended"),
        ("x.gz", gzip.compress(idx((5,)))[:12] + b"torn", "cannot read .*x.gz"),
    ],
)
def test_a_file_of_another_kind_is_an_error_that_names_it(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_idx(tmp_path / name, 1)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)
