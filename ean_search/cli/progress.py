"""Progress on the terminal: a live view, plain lines elsewhere, or JSON events for scripts."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from ean_search.cli.live_view import live_view
from ean_search.utils.progress import Progress, ProgressMessage

SECONDS_BETWEEN_LINES = 10.0  # of one task, where there is no terminal


@contextmanager
def show_progress(as_json: bool = False) -> Iterator[Progress]:
    """Show what tasks report: a live view on a terminal, lines elsewhere, or events for scripts."""
    console = Console(stderr=True)
    if as_json:
        yield _report_event
    elif console.is_terminal:
        with live_view(console) as view:
            yield view.write
    else:
        yield _line_writer(console)


def print_event(event: str, about: dict[str, Any]) -> None:
    """Print something that happened as one line of JSON."""
    print(json.dumps({"event": event, **about}), flush=True)


def _report_event(task: str, done: int, total: int, detail: str = "") -> None:
    about: dict[str, Any] = {"task": task, "done": done, "total": total, "detail": detail}
    if isinstance(detail, ProgressMessage):
        for event in detail.events:
            print(json.dumps(event), flush=True)
        if detail.events:
            return
        about |= {"figures": detail.figures, "placement": detail.placement or None}
    print_event("progress", about)


def _line_writer(console: Console) -> Progress:
    started: dict[str, tuple[float, int]] = {}
    written: dict[str, float] = {}

    def write(task: str, done: int, total: int, detail: str = "") -> None:
        now = time.monotonic()
        begin, first = started.setdefault(task, (now, done))
        if done < total and now - written.get(task, begin) < SECONDS_BETWEEN_LINES:
            return
        written[task] = now
        rate = (done - first) / max(now - begin, 1e-9)
        left = (
            f", {rate:.1f}/s, {(total - done) / rate:.0f} s left" if rate and done < total else ""
        )
        took = f" in {now - begin:.0f} s" if done >= total else ""
        text = f"{task}: {done}/{total}{took}{left}" + (f"; {detail}" if detail else "")
        console.print(text, highlight=False, soft_wrap=True, markup=False)

    return write
