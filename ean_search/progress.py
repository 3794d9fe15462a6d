"""How long work tells its watcher where it stands; what is shown is the watcher's business."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Takes note of a task's state: `done` of `total`, and a word on how it goes."""

    def __call__(self, task: str, done: int, total: int, detail: str = "") -> None: ...


def silent(task: str, done: int, total: int, detail: str = "") -> None:
    """Take no note."""


def track(items: Iterable[T], total: int, task: str, progress: Progress) -> Iterator[T]:
    """Pass items on, telling progress after each."""
    progress(task, 0, total)
    for done, item in enumerate(items, 1):
        yield item
        progress(task, done, total)
