"""Optuna's dashboard on a run, served by a real server, also while trials are being added."""

import json
import os
import sys
import threading
from contextlib import contextmanager
from itertools import pairwise
from urllib.request import urlopen

import pytest

from ean_search.analysis import optuna_dashboard
from ean_search.analysis.optuna_dashboard import StudyMirror, dashboard
from ean_search.cli.main import main
from ean_search.utils.errors import UserError
from tests.browser import wait_until

TIMEOUT_SECONDS = 60.0


@contextmanager
def served(run):
    with dashboard(run, "localhost", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield lambda path: fetch(f"http://localhost:{server.server_port}/api/{path}")
        finally:
            server.shutdown()
            thread.join(TIMEOUT_SECONDS)
            assert not thread.is_alive()


@pytest.mark.slow
def fetch(address):
    with urlopen(address, timeout=TIMEOUT_SECONDS) as answer:
        return json.load(answer)


def test_its_api_lists_the_example_runs_trials(run):
    with served(run) as get:
        (study,) = get("studies")["study_summaries"]
        assert study["study_name"] == "run"
        assert study["directions"] == ["maximize", "minimize"]
        trials = get(f"studies/{study['study_id']}?after=0")["trials"]
    frame = run.frame()
    assert len(trials) == 64
    assert [trial["values"][0] for trial in trials] == frame.accuracy.tolist()
    attributes = {entry["key"]: entry["value"] for entry in trials[5]["user_attrs"]}
    assert attributes["placement"] == frame.placement[5]


@pytest.mark.slow
def test_it_follows_a_search_that_is_running(run, monkeypatch):
    monkeypatch.setattr(optuna_dashboard, "POLL_INTERVAL_SECONDS", 0.05)
    lines = run.trials_file.read_text().splitlines(keepends=True)
    run.trials_file.write_text("".join(lines[:10]) + lines[10][:40])
    with served(run) as get:
        assert len(get("studies/0?after=0")["trials"]) == 10
        run.trials_file.write_text("".join(lines[:30]))
        wait_until(lambda: len(get("studies/0?after=0")["trials"]) == 30)


def test_two_dashboards_do_not_write_a_trial_twice(run):
    lines = run.trials_file.read_text().splitlines(keepends=True)
    run.trials_file.write_text("".join(lines[:40]))
    first, second = StudyMirror(run), StudyMirror(run)
    for mirror in (first, second, first, second):
        mirror.update()
    assert len(second.study.trials) == 40
    run.trials_file.write_text("".join(lines))
    second.update()
    first.update()
    assert len(first.study.trials) == 64


@pytest.mark.parametrize(
    ("host", "port"), [("", 0), (" ", 0), ("nowhere.invalid", 0), ("localhost", 99999)]
)
def test_hosts_and_ports_that_are_none_are_one_line(run, host, port):
    server = optuna_dashboard.dashboard(run, host, port)
    with pytest.raises(UserError, match=r"expected a host|cannot serve on"), server:
        pass


def test_failed_stopped_and_infeasible_trials_are_shown_as_such(run):
    lines = [json.loads(line) for line in run.trials_file.read_text().splitlines()]
    lines[3] |= {"status": "failed", "accuracy": None}
    lines[4] |= {"status": "infeasible"}
    lines[5] |= {"status": "stopped"}
    run.trials_file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    mirror = StudyMirror(run)
    mirror.update()
    trials = mirror.study.trials
    assert [trial.state.name for trial in trials[2:6]] == ["COMPLETE", "FAIL", "COMPLETE", "FAIL"]
    assert trials[4] not in mirror.study.best_trials


def test_a_port_in_use_is_an_error_of_one_line(run, capsys):
    with dashboard(run, "localhost", 0) as server:
        assert main(["dashboard", str(run.path), "--port", str(server.server_port)]) == 2
    assert "cannot serve on localhost" in capsys.readouterr().err


def test_without_optuna_dashboard_nothing_is_written(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    with pytest.raises(UserError, match="pip install"), dashboard(run, "localhost", 0):
        pass
    assert not run.optuna_file.is_file()


def test_trials_have_the_times_that_are_known(run):
    written = 1_700_000_000
    os.utime(run.trials_file, (written, written))
    mirror = StudyMirror(run)
    mirror.update()
    trials, logged = mirror.study.trials, run.read_trials()
    assert trials[-1].datetime_complete.timestamp() == written
    for one, other in pairwise(trials):
        assert one.datetime_complete == other.datetime_start
    lengths = [trial.duration.total_seconds() for trial in trials]
    assert lengths == pytest.approx([trial.seconds for trial in logged], abs=1e-5)
    assert "as if trials had followed each other" in mirror.study.user_attrs["times"]
