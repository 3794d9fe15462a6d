"""Progress reports as TensorBoard scalars: `tensorboard --logdir results` shows them live.

The step of a scalar is the number of steps done. A task that resumes from an earlier step replaces
the later scalars: TensorBoard's reader drops the old values of steps that were written twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ean_search.utils.progress import Progress, ProgressMessage

FLUSH_SECONDS = 5


@contextmanager
def log_scalars(folder: Path, progress: Progress) -> Iterator[Progress]:
    """Make a `Progress` that also writes the figures of its reports for TensorBoard.

    Args:
        folder: The folder of the event files; each task gets a folder in it.
        progress: Receives every report too.

    Yields:
        The progress function to use inside the `with` block; leaving the block closes the files.
    """
    from tensorboardX import SummaryWriter

    writers: dict[str, SummaryWriter] = {}

    def write(task: str, done: int, total: int, detail: str = "") -> None:
        progress(task, done, total, detail)
        if not isinstance(detail, ProgressMessage):
            return
        name = task.replace(" ", "_")  # neither folders nor TensorBoard like spaces
        if task not in writers:
            task_folder = folder / name
            # File names contain the time in seconds: two files of one second would be the same.
            suffix = f".{sum(1 for _ in task_folder.glob('events*')):04d}"
            options = {"purge_step": done, "flush_secs": FLUSH_SECONDS, "filename_suffix": suffix}
            writers[task] = SummaryWriter(str(task_folder), **options)
        for figure, value in detail.figures.items():
            writers[task].add_scalar(f"{name}/{figure}", value, done)

    try:
        yield write
    finally:
        for writer in writers.values():
            writer.close()
