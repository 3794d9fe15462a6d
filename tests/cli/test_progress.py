import json

import pytest
from rich.console import Console

from ean_search.cli import progress as cli_progress
from ean_search.utils.progress import ProgressMessage, silent


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(cli_progress.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_progress_is_a_line_now_and_then(clock, capsys):
    with cli_progress.show_progress() as progress:
        for done in range(101):
            clock[0] = 0.5 * done
            progress("training", done, 100, "loss 1.0")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert lines[0] == "training: 20/100, 2.0/s, 40 s left; loss 1.0"
    assert lines[-1] == "training: 100/100 in 50 s; loss 1.0"


def test_on_a_terminal_progress_is_a_bar(monkeypatch, capsys):
    def console(**options):
        return Console(force_terminal=True, width=120, **options)

    monkeypatch.setattr(cli_progress, "Console", console)
    with cli_progress.show_progress() as progress:
        for done in range(4):
            progress("training", done, 3, "loss 1.0")
    shown = capsys.readouterr().err
    assert "training" in shown
    assert "3/3" in shown
    assert "loss 1.0" in shown


def test_scripts_get_an_event_a_line(capsys):
    with cli_progress.show_progress(as_json=True) as progress:
        progress("latency", 1, 2)
        progress("search", 3, 9, ProgressMessage("best 1-0", {"front": 2}, "1-0"))
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"event": "progress", "task": "latency", "done": 1, "total": 2, "detail": ""}
    assert second["figures"] == {"front": 2}
    assert second["placement"] == "1-0"


def test_events_of_a_report_take_the_place_of_the_report(capsys):
    events = [{"event": "trial", "number": 3}, {"event": "search_status", "done": 4}]
    with cli_progress.show_progress(as_json=True) as progress:
        progress("search", 4, 9, ProgressMessage("best 1-0", {"front": 2}, "1-0", events))
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == events


def test_silence_takes_note_of_nothing(capsys):
    assert silent("task", 0, 1) is None
    assert capsys.readouterr().out == ""
