"""One command in a forked process: cheap, because everything heavy is imported already."""

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Main = Callable[[Sequence[str]], int]
MAX_CPU_SECONDS = 10.0  # of a command that does no work, because it refuses its input
MAX_WALL_SECONDS = 60.0  # of any command: other processes may keep this machine busy
POLL_SECONDS = 0.01
EXIT_CODES = (0, 1, 2)


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: Its exit code; negative for the signal that ended it.
        cpu_seconds: The time that it computed.
        timed_out: Whether it had to be stopped.
        output: What it wrote.
    """

    code: int
    cpu_seconds: float
    timed_out: bool
    output: str

    def fault(self) -> str:
        """Say what is wrong with how it ended; nothing if it is as promised."""
        if self.timed_out or (self.code == 2 and self.cpu_seconds > MAX_CPU_SECONDS):
            return "hang"
        if "Traceback (most recent call last)" in self.output:
            return f"traceback: {_last_line(self.output)}"
        if self.code not in EXIT_CODES:
            return f"exit code {self.code}: {_last_line(self.output)}"
        if self.code == 2 and not self.output.strip():
            return "exit code 2 without a word"
        return ""


def do_nothing() -> None:
    """Prepare a process for a command that nothing happens to."""


class Command:
    """A command that runs in a process of its own.

    Args:
        main: Runs it; returns its exit code.
        words: Its words.
        output: Where its output is written to; of one command at a time.
        prepare: Is called in the new process before the command.
    """

    def __init__(
        self,
        main: Main,
        words: Sequence[str],
        output: Path,
        prepare: Callable[[], Any] = do_nothing,
    ) -> None:
        self._output = output
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            _run(main, words, output, prepare)

    def kill(self) -> None:
        """Kill it, as kill -9 does."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, seconds: float = MAX_WALL_SECONDS) -> Outcome:
        """Wait until it ends; after so many seconds, kill it."""
        deadline, timed_out = time.monotonic() + seconds, False
        while True:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            if not timed_out and time.monotonic() > deadline:
                timed_out = True
                self.kill()
            time.sleep(POLL_SECONDS)
        output = self._output.read_text(errors="replace") if self._output.is_file() else ""
        code = os.waitstatus_to_exitcode(status)
        return Outcome(code, usage.ru_utime + usage.ru_stime, timed_out, output)


def _run(main: Main, words: Sequence[str], output: Path, prepare: Callable[[], Any]) -> None:
    """Run the command in the forked process, which never returns from here."""
    code = 99
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(file, 1)
        os.dup2(file, 2)
        # Streams of its own: those of this process may be somebody's who shows progress.
        sys.stdout, sys.stderr = (os.fdopen(n, "w", closefd=False) for n in (1, 2))
        prepare()
        code = main(words)
    except SystemExit as stopped:  # of argparse
        code = stopped.code if isinstance(stopped.code, int) else 2
    except BaseException:
        traceback.print_exc()
    finally:
        _flush()
        os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
