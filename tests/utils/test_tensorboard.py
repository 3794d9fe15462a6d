import pytest

from ean_search.utils.progress import ProgressMessage, silent
from ean_search.utils.tensorboard import log_scalars
from tests.helpers import read_scalars


def report(folder, steps, loss):
    with log_scalars(folder, silent) as progress:
        for step in steps:
            progress("supernet", step, 10, ProgressMessage("", {"loss": loss, "lr": 0.5}))


def test_tensorboard_reads_the_figures_of_reports(tmp_path):
    report(tmp_path, range(1, 4), 2.0)
    assert read_scalars(tmp_path / "supernet") == {
        "supernet/loss": [(1, 2.0), (2, 2.0), (3, 2.0)],
        "supernet/lr": [(1, 0.5), (2, 0.5), (3, 0.5)],
    }


def test_a_task_that_resumes_replaces_the_later_steps(tmp_path):
    report(tmp_path, range(1, 6), 2.0)
    report(tmp_path, range(4, 7), 1.0)
    steps = read_scalars(tmp_path / "supernet")["supernet/loss"]
    assert steps == [(1, 2.0), (2, 2.0), (3, 2.0), (4, 1.0), (5, 1.0), (6, 1.0)]


def test_reports_are_passed_on_and_those_without_figures_write_no_file(tmp_path):
    received = []
    with log_scalars(tmp_path / "t", lambda *report: received.append(report)) as progress:
        progress("latency", 1, 2)
        progress("latency", 2, 2, "done")
    assert received == [("latency", 1, 2, ""), ("latency", 2, 2, "done")]
    assert not (tmp_path / "t").exists()


def fail(folder):
    with log_scalars(folder, silent) as progress:
        progress("search", 1, 2, ProgressMessage("", {"reward": 1.0}))
        raise KeyboardInterrupt


def test_figures_reported_before_an_error_are_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fail(tmp_path)
    assert read_scalars(tmp_path / "search") == {"search/reward": [(1, 1.0)]}


def test_spaces_in_task_names_become_underscores(tmp_path):
    with log_scalars(tmp_path, silent) as progress:
        progress("search 2", 1, 1, ProgressMessage("", {"reward": 1.0}))
    assert read_scalars(tmp_path / "search_2") == {"search_2/reward": [(1, 1.0)]}
