"""Failures of the operating system: one line, and exit code 2."""

import errno
import logging
import resource
import signal
import subprocess
import sys
import threading

import pytest

from ean_search.cli import main as main_module
from ean_search.cli.process import prepare_process
from tests.helpers import mark_slow

START = "import sys; from ean_search.cli.main import main; sys.exit(main(sys.argv[1:]))"
SMALL = (
    "run --space tiny --name a --epochs 1 --budget 6 --device cpu --set data.options.train=400 "
    "--set data.options.test=100 --set data.search_per_class=10"
).split()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "a/b: No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied"), "Permission denied"),
        (OSError("of a library"), "of a library"),
        (RuntimeError("write: No space left on device"), "write: No space left on device"),
        (FileExistsError(17, "File exists", "a", None, "b"), "a -> b: File exists"),
    ],
)
def test_errors_of_the_system_are_one_line(run_command, monkeypatch, error, line):
    def fail(_):
        raise error

    monkeypatch.setattr(main_module, "_run_command", fail)
    code, _, err = run_command("spaces")
    assert (code, err) == (2, f"ean-search: {line}\n")


def test_other_errors_are_bugs_and_keep_their_traceback(run_command, monkeypatch):
    def fail(*_):
        raise KeyError("a bug")

    monkeypatch.setattr(main_module, "_run_command", fail)
    with pytest.raises(KeyError):
        run_command("spaces")


@pytest.mark.parametrize("failing", mark_slow(["stdout", "stderr", "both"], ["stdout", "stderr"]))
def test_a_full_device_as_output(tmp_path, failing):
    with open("/dev/full", "w") as full:
        streams = {name: full for name in ("stdout", "stderr") if failing in (name, "both")}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
        words = ["spaces"] if failing != "stderr" else ["resume", "nowhere"]
        done = subprocess.run([sys.executable, "-c", START, *words], text=True, **streams)
    assert done.returncode == 2
    if failing == "stdout":
        assert done.stderr == "ean-search: No space left on device\n"


def test_closed_streams(tmp_path):
    command = f"{sys.executable} -c '{START}' spaces >&- 2>&-"
    assert subprocess.run(command, shell=True).returncode == 0


def test_a_thread_of_a_logger_says_one_line(capfd):
    prepare_process()

    def fail():
        raise OSError(errno.ENOSPC, "No space left on device", "events")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert capfd.readouterr().err == "ean-search: events: No space left on device\n"
    assert not logging.raiseExceptions


def limited(bytes_, folder, *words):
    """Run a command whose files cannot grow beyond a size, as on a disk that gets full."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, resource.RLIM_INFINITY))

    return subprocess.run(
        [sys.executable, "-c", START, *words], preexec_fn=limit, cwd=folder, capture_output=True,
        text=True,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("bytes_", [0, 3_000, 100_000])
def test_a_full_disk_is_one_line_and_the_run_goes_on_afterwards(tmp_path, bytes_):
    full = limited(bytes_, tmp_path, *SMALL, "--results", str(tmp_path))
    assert full.returncode == 2, full.stderr
    assert "Traceback" not in full.stderr
    assert full.stderr.splitlines()[-1].startswith("ean-search: ")
    assert not list(tmp_path.rglob("*.part"))
    again = subprocess.run(
        [sys.executable, "-c", START, *SMALL, "--results", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    if again.returncode:  # it came as far as a trial
        assert "continue it with: ean-search resume" in again.stderr
        words = [sys.executable, "-c", START, "resume", str(tmp_path / "tiny" / "a")]
        again = subprocess.run(words, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
