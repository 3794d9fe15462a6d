"""What work reports, as TensorBoard's scalars too: `tensorboard --logdir results` shows them live.

The step is what is done of a task. Work that was stopped and goes on from an earlier step writes
over what came after it: TensorBoard's reader drops the steps that were written twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ean_search.utils.progress import Progress, ProgressMessage

FLUSH_EVERY = 5  # seconds


@contextmanager
def log_scalars(folder: Path, progress: Progress) -> Iterator[Progress]:
    """Pass reports on, and write the figures in them to a folder for each task."""
    from tensorboardX import SummaryWriter

    writers: dict[str, SummaryWriter] = {}

    def write(task: str, done: int, total: int, detail: str = "") -> None:
        progress(task, done, total, detail)
        if not isinstance(detail, ProgressMessage):
            return
        name = task.replace(" ", "_")  # neither folders nor TensorBoard like spaces
        if task not in writers:
            place = folder / name
            # Files are named by the second; two of one second would be one.
            suffix = f".{sum(1 for _ in place.glob('events*')):04d}"
            options = {"purge_step": done, "flush_secs": FLUSH_EVERY, "filename_suffix": suffix}
            writers[task] = SummaryWriter(str(place), **options)
        for figure, value in detail.figures.items():
            writers[task].add_scalar(f"{name}/{figure}", value, done)

    try:
        yield write
    finally:
        for writer in writers.values():
            writer.close()
