"""Runs that begin with what another run on the same sites has found."""

import shutil

import pytest

from ean_search.analysis.policy_replay import replay_policy
from ean_search.runs.experiment import load_experiment
from ean_search.runs.pipeline import do_run, start_run
from ean_search.runs.warm_start import find_trials
from ean_search.utils.errors import UserError
from tests.helpers import SMALL_EXPERIMENT

FEW = {
    "data.options": {"train": 600, "test": 100},
    "data.search_per_class": 20,
    "search.searcher": "reinforce",
    "search.budget": 8,
}
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def other(tmp_path_factory, make_run, one_thread):
    """Return a finished run that others learn from."""
    return make_run(tmp_path_factory.mktemp("other") / "run", FEW)


@pytest.mark.slow
def test_a_run_learns_from_another_and_keeps_what_it_learnt_from(
    other, make_run, read_history, tmp_path
):
    changes = FEW | {"supernet.weights": str(other.supernet_file)}
    source = tmp_path / "source"
    shutil.copytree(other.path, source)
    warm = {"search.warm_start": str(source)}
    run = make_run(tmp_path / "warm", changes | warm)
    assert run.read_warm_start() == other.read_trials()
    whole = make_run(tmp_path / "whole", changes | warm | {"search.budget": 11})
    shutil.rmtree(source)  # the copy is enough from now on
    do_run(run.path, budget=11)
    assert read_history(run.trials_file) == read_history(whole.trials_file)
    assert replay_policy(run) is not None


@pytest.mark.slow
def test_what_cannot_be_learnt_from_is_refused_in_one_line(other, make_run, tmp_path):
    two = other.space.model_copy(update={"attention": (*other.space.attention,) * 2})
    with pytest.raises(UserError, match=r"expected the sites of space 'tiny', .* with 3 choices"):
        find_trials(other.path, two)
    with pytest.raises(UserError, match="is not a run folder"):
        find_trials(tmp_path / "nothing", other.space)
    changes = FEW | {"search.warm_start": str(other.path), "search.searcher": "local"}
    with pytest.raises(UserError, match="cannot use another run's trials") as caught:
        make_run(tmp_path / "run", changes)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_without_trials_teaches_nothing(other, tmp_path):
    run = start_run(load_experiment(None, SMALL_EXPERIMENT | FEW), tmp_path / "new")
    with pytest.raises(UserError, match="has no trials yet"):
        find_trials(run.path, other.space)
