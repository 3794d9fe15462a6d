"""Progress reports as TensorBoard scalars: `tensorboard --logdir results` shows them live.

The step of a scalar is the number of steps done. A task that resumes from an earlier step replaces
the later scalars: TensorBoard's reader drops the old values of steps that were written twice.

Scalars are written by the thread that reports them: a writer with a thread of its own would block
for ever after its first error, such as a full disk.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ean_search.utils.progress import Progress, ProgressMessage

FLUSH_SECONDS = 5
log = logging.getLogger(__name__)


class ScalarWriter:
    """An event file of TensorBoard. If it cannot be written, that is said once, and no more is.

    Args:
        folder: The folder of the file.
        purge_step: Scalars of this step and later ones in the folder's other files are void.
    """

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        self._folder, self._purge_step = folder, purge_step
        self._writer: Any = None
        self._failed = False
        self._next_flush = 0.0

    def add(self, tag: str, value: float, step: int) -> None:
        """Write a scalar."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        self._write(Event(wall_time=time.time(), step=step, summary=scalar(tag, value)))

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None and not self._failed:
            with self._giving_up():
                self._writer.close()

    def _write(self, event: Any) -> None:
        if self._failed:
            return
        with self._giving_up():
            if self._writer is None:
                self._open()
            self._writer.write_event(event)
            if time.monotonic() > self._next_flush:
                self._writer.flush()
                self._next_flush = time.monotonic() + FLUSH_SECONDS

    def _open(self) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self._folder.mkdir(parents=True, exist_ok=True)
        # File names contain the time in seconds: two files of one second would be the same.
        suffix = f".{sum(1 for _ in self._folder.glob('events*')):04d}"
        self._writer = EventsWriter(str(self._folder / "events"), suffix)
        if self._purge_step is not None:
            start = SessionLog(status=SessionLog.START)
            self._writer.write_event(Event(step=self._purge_step, session_log=start))

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._failed = True
            log.warning("%s: no more scalars for TensorBoard: %s", self._folder, error.strerror)


@contextmanager
def log_scalars(folder: Path, progress: Progress) -> Iterator[Progress]:
    """Make a `Progress` that also writes the figures of its reports for TensorBoard.

    Args:
        folder: The folder of the event files; each task gets a folder in it.
        progress: Receives every report too.

    Yields:
        The progress function to use inside the `with` block; leaving the block closes the files.
    """
    writers: dict[str, ScalarWriter] = {}

    def write(task: str, done: int, total: int, detail: str = "") -> None:
        progress(task, done, total, detail)
        if not isinstance(detail, ProgressMessage):
            return
        name = task.replace(" ", "_")  # neither folders nor TensorBoard like spaces
        if task not in writers:
            writers[task] = ScalarWriter(folder / name, done)
        for figure, value in detail.figures.items():
            writers[task].add(f"{name}/{figure}", value, done)

    try:
        yield write
    finally:
        for writer in writers.values():
            writer.close()
