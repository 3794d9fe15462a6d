"""Locks: one holder at a time, none after its process has ended."""

import getpass
import os
import subprocess
import sys
import threading
import time

import pytest

from ean_search.utils.errors import UserError
from ean_search.utils.locks import only_writer
from tests.helpers import held_elsewhere

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
    words = f"it is in use by process {process.pid} on .*, started by {getpass.getuser()}: wait"
    with pytest.raises(UserError, match=words), only_writer(path, "it"):
        pass
    process.kill()
    process.wait()
    process.stdout.close()
    with only_writer(path, "it"):
        pass


def test_its_holder_may_take_it_again(tmp_path):
    with only_writer(tmp_path / "lock", "it"):
        with only_writer(tmp_path / "lock", "it"):
            pass
        assert (tmp_path / "lock").is_file()
    assert not list(tmp_path.iterdir())


def test_another_thread_is_another_holder(tmp_path):
    path = tmp_path / "lock"
    told = pytest.raises(UserError, match=f"process {os.getpid()}")
    with held_elsewhere(path), told, only_writer(path, "it"):
        pass


def test_who_waits_gets_it_next(tmp_path):
    order = []

    def wait():
        with only_writer(tmp_path / "lock", "it", wait=True):
            order.append("second")

    thread = threading.Thread(target=wait)
    with only_writer(tmp_path / "lock", "it"):
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_copy_of_the_process_does_not_keep_it(tmp_path):
    with only_writer(tmp_path / "lock", "it"):
        child = os.fork()
        if not child:
            time.sleep(60)
            os._exit(0)
    with only_writer(tmp_path / "lock", "it"):
        pass
    os.kill(child, 9)
    os.waitpid(child, 0)


def test_the_file_of_a_lock_is_never_a_link(tmp_path):
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(UserError, match="is a link"), only_writer(tmp_path / "lock", "it"):
        pass
    assert (tmp_path / "precious").read_text() == "kept"
