"""Two processes that write the same run, training or cache: one works, the other is told."""

import subprocess
import sys
from pathlib import Path

import pytest

import ean_search
from ean_search.analysis.training_folder import TrainingFolder
from ean_search.cli.main import main
from ean_search.runs import pipeline
from ean_search.runs.experiment import load_experiment
from ean_search.utils.errors import UserError
from tests.helpers import SMALL_RUN, held_elsewhere

COMMAND = str(Path(sys.executable).with_name("ean-search"))


@pytest.fixture
def run(tmp_path):
    return ean_search.start_run(load_experiment(None, SMALL_RUN), tmp_path / "run")


def together(*commands):
    processes = [
        subprocess.Popen([COMMAND, *words], stderr=subprocess.PIPE, text=True) for words in commands
    ]
    errors = [process.communicate()[1] for process in processes]
    return [process.returncode for process in processes], errors


@pytest.mark.slow
def test_of_two_that_resume_a_run_one_does_it(run, tmp_path):
    other = ean_search.start_run(load_experiment(None, SMALL_RUN), tmp_path / "other")
    codes, errors = together(*[["resume", str(run.path)]] * 2)
    assert set(codes) <= {0, 2}
    assert 0 in codes
    for code, error in zip(codes, errors, strict=True):
        assert "Traceback" not in error
        assert code == 0 or "is in use by process" in error
    ean_search.do_run(other)
    histories = [[(t.placement, t.accuracy) for t in r.read_trials()] for r in (run, other)]
    assert histories[0] == histories[1]


@pytest.mark.slow
def test_runs_that_begin_in_the_same_second_have_names_of_their_own(tmp_path):
    words = ["run", "--space", "tiny", "--results", str(tmp_path), "--budget", "4", "--epochs", "1"]
    words += ["--set", "data.options.train=400", "--set", "data.options.test=100"]
    words += ["--set", "data.search_per_class=10", "--device", "cpu"]
    codes, errors = together(words, words)
    assert codes == [0, 0], errors
    runs = list((tmp_path / "tiny").iterdir())
    assert len(runs) == 2
    assert all((run / "summary.json").is_file() for run in runs)


def test_a_name_that_is_being_used_is_not_taken(run, tmp_path, capsys):
    words = ["run", "--space", "tiny", "--results", str(tmp_path), "--name", "a", "--seed", "3"]
    folder = tmp_path / "tiny" / "a"
    run.path.replace(tmp_path / "b")
    (tmp_path / "tiny").mkdir()
    (tmp_path / "b").replace(folder)
    before = (folder / "experiment.yaml").read_text()
    with held_elsewhere(folder / ".lock"):
        assert main([*words, "--device", "cpu"]) == 2
    assert "is in use by process" in capsys.readouterr().err
    assert (folder / "experiment.yaml").read_text() == before


TAKE = """
import sys
from pathlib import Path
from ean_search.utils.locks import only_writer
with only_writer(Path(sys.argv[1]), "it"):
    pass
"""


def test_the_lock_is_held_from_the_first_file_of_a_run_to_its_end(tmp_path, monkeypatch):
    errors = []

    def look(run, *_, **__):
        command = [sys.executable, "-c", TAKE, str(run.lock_file)]
        errors.append(subprocess.run(command, capture_output=True, text=True).stderr)
        raise UserError("enough")

    monkeypatch.setattr(pipeline, "do_run", look)
    words = ["run", "--space", "tiny", "--results", str(tmp_path), "--name", "a"]
    assert main([*words, "--device", "cpu"]) == 2
    assert "it is in use by process" in errors[0]


@pytest.mark.slow
def test_a_training_has_one_writer(run, capsys):
    ean_search.do_run(run)
    folder = TrainingFolder(run.retrain_folder() / "1-0-1-0-seed0")
    words = ["retrain", str(run.path), "--placement", "1-0-1-0", "--device", "cpu"]
    with held_elsewhere(folder.lock_file):
        assert main(words) == 2
        assert "1-0-1-0-seed0 is in use by process" in capsys.readouterr().err
        assert not folder.path.exists()
        main(["report", str(run.path)])  # reading needs no lock
    codes, errors = together(words, words)
    assert set(codes) <= {0, 2}
    assert 0 in codes, errors
    assert folder.is_finished
    assert not list(run.retrain_folder().glob(".*"))


@pytest.mark.slow
def test_reports_of_one_run_can_be_written_at_once(strangers_run):
    run = strangers_run()
    codes, errors = together(*[["report", str(run)]] * 2)
    assert (codes, errors) == ([0, 0], ["", ""])
