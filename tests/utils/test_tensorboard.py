import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ean_search.utils.progress import ProgressMessage, silent
from ean_search.utils.tensorboard import log_scalars


def read(folder):
    events = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def report(folder, steps, loss):
    with log_scalars(folder, silent) as progress:
        for step in steps:
            progress("supernet", step, 10, ProgressMessage("", {"loss": loss, "lr": 0.5}))


def test_tensorboard_reads_what_work_reports(tmp_path):
    report(tmp_path, range(1, 4), 2.0)
    assert read(tmp_path / "supernet") == {
        "supernet/loss": [(1, 2.0), (2, 2.0), (3, 2.0)],
        "supernet/lr": [(1, 0.5), (2, 0.5), (3, 0.5)],
    }


def test_work_that_goes_on_from_an_earlier_step_replaces_what_came_after(tmp_path):
    report(tmp_path, range(1, 6), 2.0)
    report(tmp_path, range(4, 7), 1.0)
    steps = read(tmp_path / "supernet")["supernet/loss"]
    assert steps == [(1, 2.0), (2, 2.0), (3, 2.0), (4, 1.0), (5, 1.0), (6, 1.0)]


def test_reports_are_passed_on_and_those_without_figures_leave_nothing(tmp_path):
    heard = []
    with log_scalars(tmp_path / "t", lambda *report: heard.append(report)) as progress:
        progress("latency", 1, 2)
        progress("latency", 2, 2, "done")
    assert heard == [("latency", 1, 2, ""), ("latency", 2, 2, "done")]
    assert not (tmp_path / "t").exists()


def fail(folder):
    with log_scalars(folder, silent) as progress:
        progress("search", 1, 2, ProgressMessage("", {"reward": 1.0}))
        raise KeyboardInterrupt


def test_what_was_reported_before_a_failure_is_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fail(tmp_path)
    assert read(tmp_path / "search") == {"search/reward": [(1, 1.0)]}
