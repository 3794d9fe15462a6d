"""Whole chains: search, then retrain the placement that was found and others with paired seeds.

One experiment gives a few rows in one table. A chain that was stopped continues: its run resumes,
and its finished trainings are kept.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ean_search.analysis.pick import pick_placement
from ean_search.analysis.run_folder import Run
from ean_search.bench.onnx_latency import time_exported
from ean_search.retrain.compare import (
    compare,
    each_training,
    save_comparison,
    select_placements,
    unique_placements,
)
from ean_search.retrain.retrain import plan_retraining
from ean_search.runs.experiment import Experiment, experiment_plugins, load_experiment
from ean_search.runs.pipeline import do_run, start_run
from ean_search.runs.resolve_experiment import resolve
from ean_search.utils.errors import UserError
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import hardware

TIMING_ROUNDS = 500  # for small networks: with 50, shares of latency moved by 0.1 and more


@dataclass(frozen=True)
class ComparisonPlan:
    """What a chain retrains and compares after its search.

    Attributes:
        others: Placements to compare with, as in `ean-search compare`: names or `random:N`.
        placement: What to compare, such as `best`. By default the best placement that the run
            trained stand-alone, or the best by its estimates if it trained none.
        limits: Compare the best placement within other limits than the run's own, such as
            "sites <= 4", in place of `placement`.
        seeds: Trainings per placement.
        onnx: Time all placements in ONNX Runtime, too.
    """

    others: str
    placement: str | None = None
    limits: str = ""
    seeds: int = 5
    onnx: bool = False

    def __post_init__(self) -> None:
        if self.placement and self.limits:
            raise UserError("expected a placement or limits, got both")

    def choose(self, run: Run) -> str:
        """Return the name or the text of the placement that others are compared with."""
        if self.limits:
            return pick_placement(run, self.limits).placement
        return self.placement or ("verified" if run.fields["search"]["verify"] else "best")


def bench_evidence(
    experiment: Experiment,
    folder: Path,
    comparison: ComparisonPlan,
    *,
    name: str = "",
    progress: Progress = silent,
) -> pd.DataFrame:
    """Do what is missing of an experiment's chain.

    Args:
        experiment: The experiment to run.
        folder: The folder of its run; created or continued.
        comparison: What to retrain and compare.
        name: Name of the experiment in the rows; that of the folder by default.
        progress: Receives the progress of the run and of the trainings.

    Returns:
        One row per compared placement.

    Raises:
        UserError: If the folder holds a run of another experiment.
    """
    run = _start_or_resume(experiment, folder)
    if not run.summary_file.is_file():
        do_run(run, progress)
    plan = plan_retraining(run)
    first = plan.experiment.seed
    seeds = range(first, first + comparison.seeds)
    chosen = select_placements(run, comparison.choose(run), comparison.others, first)
    frame = compare(plan, chosen, seeds, progress, TIMING_ROUNDS)
    save_comparison(plan, frame, each_training(plan, chosen, seeds))
    if comparison.onnx:
        frame = _add_graph_times(frame, time_exported(plan, unique_placements(run, chosen)))
    name = ", ".join(filter(None, [name or run.path.name, comparison.limits]))
    return _add_origin(frame, run, name, plan.experiment.device)


def _add_graph_times(frame: pd.DataFrame, times: pd.DataFrame) -> pd.DataFrame:
    """Add the mean times of each row's placements."""
    means = [times.loc[placements].mean() for placements in frame.placement.str.split()]
    return frame.join(pd.DataFrame(means, index=frame.index))


def _add_origin(frame: pd.DataFrame, run: Run, name: str, device: str) -> pd.DataFrame:
    """Put columns first that say where the rows come from."""
    origin = {
        "experiment": name,
        "space": run.space.name,
        "attention": " ".join(choice.name for choice in run.space.attention),
        "hardware": hardware(device),
    }
    return frame.assign(**origin)[[*origin, *frame.columns]]


def add_rows(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the table of a file with the rows of an experiment, in place of its earlier ones.

    Args:
        frame: The result of `bench_evidence`.
        path: CSV file of all experiments; it need not exist, and is not changed.
    """
    if not path.is_file():
        return frame
    old = pd.read_csv(path, dtype={"placement": str, "experiment": str})
    kept = old[~old.experiment.isin(set(frame.experiment))]
    return pd.concat([kept, frame]) if len(kept) else frame


def _start_or_resume(experiment: Experiment, folder: Path) -> Run:
    run = Run(folder)
    if not run.experiment_file.is_file():
        return start_run(experiment, folder)
    stored = load_experiment(run.experiment_file, {}, experiment_plugins(experiment))
    if stored != resolve(experiment):
        raise UserError(f"{folder} holds another experiment; choose another --name")
    return run
