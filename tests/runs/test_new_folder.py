"""Names of runs: free ones, taken ones, and those of runs that came to nothing."""

import shutil
import threading

import pytest

from ean_search.analysis.run_folder import Run
from ean_search.runs.experiment import load_experiment
from ean_search.runs.pipeline import do_run, start_run
from ean_search.utils.errors import UserError
from tests.helpers import SMALL_EXPERIMENT, held_elsewhere


@pytest.fixture
def experiment():
    return load_experiment(None, SMALL_EXPERIMENT)


def fail(*_, **__):
    raise UserError("the disk burns")


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """Start a run that fails after its network was trained, before any trial."""
    path = tmp_path_factory.mktemp("results") / "run"
    run = start_run(load_experiment(None, SMALL_EXPERIMENT), path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ean_search.runs.pipeline.run_search", fail)
        with pytest.raises(UserError, match="the disk burns"):
            do_run(run)
    assert run.supernet_file.is_file()
    return run


@pytest.fixture
def failed_run(failed, tmp_path):
    """Copy the failed run, because tests begin it anew."""
    return Run(shutil.copytree(failed.path, tmp_path / "run"))


def test_a_run_without_trials_starts_anew_with_other_settings(failed_run, caplog):
    other = load_experiment(None, SMALL_EXPERIMENT | {"seed": 5})
    run = start_run(other, failed_run.path)
    assert "held no trial of an earlier start: it starts anew" in caplog.text
    assert {path.name for path in run.path.iterdir()} == {"experiment.yaml", "provenance.json"}
    assert run.fields["seed"] == 5


def test_a_network_that_would_be_trained_again_is_kept(failed_run):
    before = failed_run.supernet_file.read_bytes()
    other = load_experiment(None, SMALL_EXPERIMENT | {"search.budget": 5})
    run = start_run(other, failed_run.path)
    assert run.supernet_file.read_bytes() == before
    assert not run.costs_file.exists()


def test_a_run_with_trials_or_trainings_is_left_alone(failed_run, small_run, experiment):
    with pytest.raises(UserError, match=r"exists and holds 12 trials; continue it with: ean-sea"):
        start_run(experiment, small_run.path)
    failed_run.retrain_folder().mkdir()
    with pytest.raises(UserError, match="exists and holds retrain; continue it with"):
        start_run(experiment, failed_run.path)


def test_a_run_at_work_is_left_alone(failed_run, experiment):
    with held_elsewhere(failed_run.lock_file):
        for attempt in (lambda: start_run(experiment, failed_run.path), lambda: do_run(failed_run)):
            with pytest.raises(UserError, match="run is in use by process"):
                attempt()
    assert failed_run.supernet_file.is_file()


@pytest.mark.parametrize("below", ["", "run"])
def test_a_file_in_the_way_is_named(tmp_path, experiment, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file is a file|is a file"):
        start_run(experiment, tmp_path / "file" / below)


def test_numbered_runs_never_share_a_folder(tmp_path, experiment):
    runs = []

    def start():
        runs.append(start_run(experiment, tmp_path / "now", numbered=True))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run.path.name for run in runs) == ["now", "now-2", "now-3", "now-4"]
