"""How long work tells its watcher where it stands; what is shown is the watcher's business."""

from collections.abc import Mapping
from typing import Protocol


class ProgressMessage(str):
    """A word on how work goes, with the figures behind it and the best placement so far."""

    figures: Mapping[str, float]
    placement: str

    def __new__(
        cls, text: str, figures: Mapping[str, float] | None = None, placement: str = ""
    ) -> "ProgressMessage":
        detail = super().__new__(cls, text)
        detail.figures, detail.placement = figures or {}, placement
        return detail


class Progress(Protocol):
    """Takes note of a task's state: `done` of `total`, and a word on how it goes."""

    def __call__(self, task: str, done: int, total: int, detail: str = "") -> None: ...


def silent(task: str, done: int, total: int, detail: str = "") -> None:
    """Take no note."""
