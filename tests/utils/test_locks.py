"""Locks: one holder at a time, none after its process has ended."""

import subprocess
import sys

import pytest

from ean_search.utils.errors import UserError
from ean_search.utils.locks import only_writer

HOLD = """
import sys, time
from pathlib import Path
from ean_search.utils.locks import only_writer
with only_writer(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_leaves_no_file(tmp_path):
    for _ in range(2):
        with only_writer(tmp_path / "lock", "it"):
            assert (tmp_path / "lock").is_file()
        assert not list(tmp_path.iterdir())


def test_a_second_holder_is_told_of_the_first_until_it_is_killed(tmp_path):
    path = tmp_path / "lock"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    words = f"it is in use by process {process.pid} on "
    with pytest.raises(UserError, match=words), only_writer(path, "it"):
        pass
    process.kill()
    process.wait()
    process.stdout.close()
    with only_writer(path, "it"):
        pass
