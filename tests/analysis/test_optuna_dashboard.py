"""Optuna's dashboard on a run: served for real, also while trials are being added."""

import json
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from ean_search.analysis import optuna_dashboard as module
from ean_search.analysis.optuna_dashboard import Mirror, dashboard
from ean_search.analysis.run_folder import load_run
from ean_search.cli.main import main
from tests.browser import wait

EXAMPLE = Path(__file__).parents[2] / "results" / "example"


@pytest.fixture
def run(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "run")
    return load_run(tmp_path / "run")


@contextmanager
def served(run):
    with dashboard(run, "localhost", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield lambda path: fetch(f"http://localhost:{server.server_port}/api/{path}")
        finally:
            server.shutdown()
            thread.join()


def fetch(address):
    with urlopen(address) as answer:
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


def test_it_follows_a_search_that_is_running(run, monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0.05)
    lines = run.trials_file.read_text().splitlines(keepends=True)
    run.trials_file.write_text("".join(lines[:10]) + lines[10][:40])
    with served(run) as get:
        assert len(get("studies/0?after=0")["trials"]) == 10
        run.trials_file.write_text("".join(lines[:30]))
        wait(lambda: len(get("studies/0?after=0")["trials"]) == 30)


def test_two_dashboards_do_not_write_a_trial_twice(run):
    first, second = Mirror(run), Mirror(run)
    for mirror in (first, second, first, second):
        mirror.update()
    assert len(second.study.trials) == 64
    run.trials_file.write_text(run.trials_file.read_text() * 2)
    second.update()
    first.update()
    assert len(first.study.trials) == 128


def test_trials_without_an_accuracy_or_over_a_limit_are_told_as_such(run):
    lines = [json.loads(line) for line in run.trials_file.read_text().splitlines()]
    lines[3] |= {"status": "failed", "accuracy": None}
    lines[4] |= {"status": "infeasible"}
    lines[5] |= {"status": "stopped"}
    run.trials_file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    mirror = Mirror(run)
    mirror.update()
    trials = mirror.study.trials
    assert [trial.state.name for trial in trials[2:6]] == ["COMPLETE", "FAIL", "COMPLETE", "FAIL"]
    assert trials[4] not in mirror.study.best_trials


def test_a_port_in_use_is_said_in_a_line(run, capsys):
    with dashboard(run, "localhost", 0) as server:
        assert main(["dashboard", str(run.path), "--port", str(server.server_port)]) == 2
    assert "cannot serve on localhost" in capsys.readouterr().err
