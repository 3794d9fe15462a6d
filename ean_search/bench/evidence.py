"""Whole chains: search, then retrain what was found and its rivals with paired seeds.

One experiment gives a handful of rows in one table. A chain that was stopped goes on where it was:
its run resumes and its finished trainings are kept.
"""

from pathlib import Path

import pandas as pd

from ean_search.analysis.run_folder import Run
from ean_search.retrain.compare import compare, each_training, save_comparison, select_placements
from ean_search.retrain.retrain import plan_retraining
from ean_search.runs.experiment import Experiment, load_experiment
from ean_search.runs.pipeline import do_run, resolve, start_run
from ean_search.utils.errors import UserError
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import hardware

ROUNDS = 500  # of timing; the networks are small, and a tenth of that moved shares by .1 and more


def bench_evidence(
    experiment: Experiment,
    folder: Path,
    others: str,
    *,
    name: str = "",
    placement: str | None = None,
    seeds: int = 5,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Do what is left of an experiment's chain, and return a row a contestant.

    What it found is the best of those it trained alone, or of those it only estimated.
    """
    run = _start_or_resume(experiment, folder)
    if not run.summary_file.is_file():
        do_run(run, progress)
    plan = plan_retraining(run)
    first = plan.experiment.seed
    found = placement or ("verified" if experiment.search.verify else "best")
    chosen = select_placements(run, found, others, first)
    frame = compare(plan, chosen, range(first, first + seeds), progress, ROUNDS)
    save_comparison(plan, frame, each_training(plan, chosen, range(first, first + seeds)))
    about = {
        "experiment": name or run.path.name,
        "space": run.space.name,
        "attention": " ".join(choice.name for choice in run.space.attention),
        "hardware": hardware(plan.experiment.device),
    }
    for column, value in reversed(about.items()):
        frame.insert(0, column, value)
    return frame


def add_rows(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return a table with an experiment's rows in place of those it had."""
    if not path.is_file():
        return frame
    old = pd.read_csv(path, dtype={"placement": str, "experiment": str})
    kept = old[~old.experiment.isin(set(frame.experiment))]
    return pd.concat([kept, frame]) if len(kept) else frame


def _start_or_resume(experiment: Experiment, folder: Path) -> Run:
    run = Run(folder)
    if not run.experiment_file.is_file():
        return start_run(experiment, folder)
    if load_experiment(run.experiment_file, {}) != resolve(experiment):
        raise UserError(f"{folder} holds another experiment; choose another --name")
    return run
