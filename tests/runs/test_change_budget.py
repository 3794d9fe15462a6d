"""Finished runs that go on: their history is that of a run which had the larger budget at once."""

import json
from contextlib import nullcontext

import pytest

from ean_search.analysis.run_folder import load_run
from ean_search.core.trial import EvaluationResult
from ean_search.runs.change_budget import change_budget
from ean_search.runs.pipeline import do_run
from ean_search.utils.errors import UserError

FEW = {  # images; the large cohort makes both budgets end within one
    "data.options": {"train": 600, "test": 100},
    "data.search_per_class": 20,
    "search.cohort": 7,
    "search.budget": 6,
}
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def supernet(small_run):
    """Name the trained weights that the runs of this file share."""
    return {"supernet.weights": str(small_run.supernet_file)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "longer"),
    [
        ({}, {"budget": 12}),
        ({"search.searcher": "surrogate"}, {"budget": 14}),
        ({"search.searcher": "evolution", "search.limits": "sites <= 2"}, {"budget": 11}),
        ({"search.racing": True}, {"budget": 12}),
        ({"search.budget": 2}, {"budget": 12}),  # the named placements are more
        ({"search.steps": 1, "search.budget": 14}, {"steps": 2}),
        ({"search.steps": 1, "search.budget": 8}, {"budget": 14, "steps": 3}),
    ],
)
def test_the_history_is_that_of_the_larger_budget(
    tmp_path, make_run, read_history, supernet, changes, longer
):
    changes = FEW | supernet | changes
    run = make_run(tmp_path / "run", changes)
    first = len(run.read_trials())
    do_run(run.path, **longer)
    more = {f"search.{name}": value for name, value in longer.items()}
    whole = make_run(tmp_path / "whole", changes | more)
    assert len(run.read_trials()) > first
    assert read_history(run.trials_file) == read_history(whole.trials_file)
    assert run.experiment_file.read_text() == whole.experiment_file.read_text()
    old, new = (json.loads(each.summary_file.read_text()) for each in (run, whole))
    assert old["trials"] == new["trials"] == len(run.read_trials())
    assert old["ending"] == new["ending"]
    assert [row["placement"] for row in old["front"]] == [row["placement"] for row in new["front"]]


@pytest.mark.slow
def test_an_interruption_on_the_way_changes_nothing(
    tmp_path, make_run, read_history, supernet, monkeypatch
):
    changes = FEW | supernet | {"search.racing": True}
    run = make_run(tmp_path / "run", changes)

    def stop(task, done, total, detail=""):
        if task == "search" and done > 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do_run(run, stop, budget=16)
    assert not run.summary_file.exists()  # what it says is of the smaller budget
    do_run(load_run(run.path))
    whole = make_run(tmp_path / "whole", changes | {"search.budget": 16})
    assert read_history(run.trials_file) == read_history(whole.trials_file)


class Together:
    """An evaluator whose results depend on the size of the cohort."""

    joint = True

    def evaluate(self, placements):
        for placement in placements:
            yield EvaluationResult(len(placements) / 20 + placement.attached / 100, 0.0)


@pytest.mark.slow
def test_members_that_raced_among_fewer_race_again(
    tmp_path, make_run, read_history, supernet, monkeypatch
):
    monkeypatch.setattr(
        "ean_search.runs.pipeline.search_evaluator", lambda *_: nullcontext(Together())
    )
    changes = FEW | supernet | {"search.racing": True}
    run = make_run(tmp_path / "run", changes)
    do_run(run, budget=12)
    whole = make_run(tmp_path / "whole", changes | {"search.budget": 12})
    assert read_history(run.trials_file) == read_history(whole.trials_file)


@pytest.mark.slow
def test_stand_alone_trainings_of_the_smaller_budget_are_kept(tmp_path, make_run, supernet):
    changes = FEW | supernet | {"search.verify": 2, "standalone.epochs": 1}
    run = make_run(tmp_path / "run", changes)
    before = run.verified_file.read_text()
    do_run(run, budget=12)
    assert run.verified_file.read_text().startswith(before)
    best = sorted(run.read_trials(), key=lambda trial: -trial.reward)[:2]
    assert {t.placement for t in best} <= {t.placement for t in run.read_verified()}
    assert len(json.loads(run.summary_file.read_text())["verified"]) == len(run.read_verified())


@pytest.fixture
def finished(copy_run, tmp_path):
    return copy_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("budget", "steps", "words"),
    [
        (5, None, "has 12 trials already: give a larger --budget"),
        (None, 0, "search.steps"),
        (0, None, "search.budget"),
    ],
)
def test_what_was_done_cannot_be_undone(finished, budget, steps, words):
    before = {path: path.read_bytes() for path in finished.path.glob("*.*")}
    with pytest.raises(UserError, match=words):
        change_budget(finished, budget, steps)
    assert {path: path.read_bytes() for path in finished.path.glob("*.*")} == before


@pytest.mark.slow
def test_steps_that_are_spent_are_named(tmp_path, make_run, supernet):
    changes = FEW | supernet | {"search.steps": 1, "search.budget": 14}
    run = make_run(tmp_path / "run", changes)
    with pytest.raises(UserError, match="ended after its 1 steps, not by its budget: give --steps"):
        do_run(run, budget=16)
    assert run.summary_file.is_file()


def test_the_same_budget_leaves_the_conclusions(finished):
    before = finished.summary_file.stat().st_mtime_ns
    change_budget(finished, 12)
    assert finished.summary_file.stat().st_mtime_ns == before
