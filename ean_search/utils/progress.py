"""Progress reports of long tasks. A task calls a `Progress`; the callee decides what to show."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class ProgressMessage(str):
    """A text about the state of a task, with its figures.

    It is a string, so code that only shows the text need not know this class.

    Attributes:
        figures: Named numbers, such as the loss; `log_scalars` writes them to TensorBoard.
        placement: The text form of the best placement so far, or an empty string.
        events: What happened since the last report, in the form of `docs/events.schema.json`:
            plain values by name, with the kind of event under "event". Scripts get these in place
            of the message.
    """

    figures: Mapping[str, float]
    placement: str
    events: Sequence[Mapping[str, Any]]

    def __new__(
        cls,
        text: str,
        figures: Mapping[str, float] | None = None,
        placement: str = "",
        events: Sequence[Mapping[str, Any]] = (),
    ) -> "ProgressMessage":
        """Make a message of a text, figures (none by default), a placement and events."""
        message = super().__new__(cls, text)
        message.figures, message.placement, message.events = figures or {}, placement, events
        return message


class Progress(Protocol):
    """A function that receives progress reports."""

    def __call__(self, task: str, done: int, total: int, detail: str = "") -> None:
        """Receive one report.

        Args:
            task: The name of the task, such as "search".
            done: The number of steps done.
            total: The number of steps of the whole task.
            detail: The state of the task in words; a `ProgressMessage` also has figures.
        """


def silent(task: str, done: int, total: int, detail: str = "") -> None:
    """Ignore a progress report."""
