"""A run that goes on with a larger budget, as if the budget had been that from the start."""

from typing import Any

from ean_search.analysis.run_folder import Run
from ean_search.core.trial import Trial
from ean_search.runs.experiment import Search, load_experiment, save_experiment
from ean_search.search.trial_log import drop_last_step
from ean_search.utils.errors import UserError


def change_budget(run: Run, budget: int | None = None, steps: int | None = None) -> None:
    """Change how far the search of a run goes; its conclusions are to be drawn anew.

    Args:
        run: The run; no other process may be working on it.
        budget: The number of distinct evaluations in all; as it is if None.
        steps: The largest number of cohorts in all; as it is if None.

    Raises:
        UserError: If the search has gone farther already, or would not go on.
    """
    changes: dict[str, Any] = {"search.budget": budget, "search.steps": steps}
    changes = {field: value for field, value in changes.items() if value is not None}
    old = load_experiment(run.experiment_file, trust=run.trust)
    new = load_experiment(run.experiment_file, changes, run.trust)
    if new == old:
        return
    _check_farther(run, run.read_trials(), old.search, new.search)
    if new.search.racing:
        # Its members raced among fewer than they would have, had the budget been another one.
        drop_last_step(run.trials_file, new.space, new.search.score)
    for conclusion in (run.summary_file, run.front_table, run.front_picture):
        conclusion.unlink(missing_ok=True)
    save_experiment(new, run.experiment_file)
    run.forget()


def _check_farther(run: Run, trials: list[Trial], old: Search, new: Search) -> None:
    """Refuse less than what was done, and a budget that a number of steps would undo."""
    done, last_step = len(trials), trials[-1].step if trials else 0
    if new.budget != old.budget and new.budget < done:
        raise UserError(f"{run.path} has {done} trials already: give a larger --budget")
    if new.steps is None:
        return
    if new.steps < last_step:
        raise UserError(f"{run.path} has taken {last_step} steps already: give more --steps")
    if new.steps == last_step and new.budget > max(done, old.budget):
        raise UserError(
            f"{run.path} ended after its {new.steps} steps, not by its budget: give --steps N, too"
        )
