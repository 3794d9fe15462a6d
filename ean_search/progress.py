"""How long work tells its watcher where it stands; what is shown is the watcher's business."""

from typing import Protocol


class Progress(Protocol):
    """Takes note of a task's state: `done` of `total`, and a word on how it goes."""

    def __call__(self, task: str, done: int, total: int, detail: str = "") -> None: ...


def silent(task: str, done: int, total: int, detail: str = "") -> None:
    """Take no note."""
