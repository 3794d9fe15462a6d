"""The live view of a terminal: one bar per task, and below them the best placement so far."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from ean_search.analysis.palette import COLOURS
from ean_search.core.space import DIGITS
from ean_search.utils.progress import ProgressMessage

FIGURES = ("best_accuracy", "best_reward", "front", "hypervolume", "entropy")  # of a search


class View:
    """The bars of all tasks with their rates, and the status of the search."""

    def __init__(self) -> None:
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}"),
        )
        self.tasks: dict[str, Any] = {}
        self.status = Text()

    def __rich__(self) -> Group:
        return Group(self.bars, self.status)

    def write(self, task: str, done: int, total: int, detail: str = "") -> None:
        """Show where a task stands."""
        if isinstance(detail, ProgressMessage) and detail.placement:
            self.status, detail = describe(detail), ""
        if task not in self.tasks:
            self.tasks[task] = self.bars.add_task(
                task, total=total, completed=done, rate="", detail=""
            )
        number = self.tasks[task]
        self.bars.update(number, completed=done, total=total, detail=detail)
        speed = next(bar.speed for bar in self.bars.tasks if bar.id == number)
        self.bars.update(number, rate=f"{speed:.1f}/s" if speed else "")


def describe(detail: ProgressMessage) -> Text:
    """Write a search's status: the best placement's strip, its text, and figures."""
    figures = [
        f"{name.replace('_', ' ')} {detail.figures[name]:.4g}"
        for name in FIGURES
        if name in detail.figures
    ]
    lines = [Text("best ").append_text(strip(detail.placement)), Text("     " + detail.placement)]
    return Text("\n").join([*lines, Text("     " + ", ".join(figures))])


def strip(placement: str) -> Text:
    """Write a placement as a row of cells: a dot where there is nothing, a digit on its colour."""
    cells = Text()
    for digit in placement:
        choice = DIGITS.find(digit)
        if choice > 0:
            cells.append(digit, style=f"bold black on {COLOURS[(choice - 1) % len(COLOURS)]}")
        else:
            cells.append(" " if choice else "·", style="dim")
    return cells


@contextmanager
def live_view(console: Console) -> Iterator[View]:
    """Keep a view on a terminal up to date."""
    view = View()
    with Live(view, console=console, refresh_per_second=8):
        yield view
