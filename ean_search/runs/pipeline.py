"""Does a run: costs, supernet, search, conclusions; each stage leaves its file in the folder.

A stage whose file is there is not done again, so resuming is running the same stages once more.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from ean_search.analysis.run_folder import Run
from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import Cost
from ean_search.costs.measure import measure_costs, price_list
from ean_search.costs.table import CostTable
from ean_search.data.datasets import Data, load_data
from ean_search.distributed.config import Workers
from ean_search.networks.sites import probe
from ean_search.runs.evaluator_factory import (
    judge_with,
    make_shared,
    make_standalone,
    resolve_workers,
    search_with,
    train_with,
)
from ean_search.runs.experiment import Experiment, load_experiment, save_experiment
from ean_search.runs.summary import conclude
from ean_search.search.evaluator import Evaluator
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.registry import make_searcher
from ean_search.search.trial_log import TrialLog
from ean_search.search.trial_recorder import TrialRecorder
from ean_search.utils.device import find_device
from ean_search.utils.errors import UserError
from ean_search.utils.files import save_json
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import provenance
from ean_search.utils.tensorboard import log_scalars

log = logging.getLogger(__name__)


def start_run(experiment: Experiment, path: Path) -> Run:
    """Make a run's folder, with its experiment and what it is made with."""
    experiment, run = resolve(experiment), Run(path)
    if run.experiment_file.is_file():
        raise UserError(f"{path} exists; continue it with: ean-search resume {path}")
    if path.exists() and any(entry.name != run.provenance_file.name for entry in path.iterdir()):
        raise UserError(f"{path} exists and is not a run: choose another --name")
    path.mkdir(parents=True, exist_ok=True)
    save_json(provenance(experiment.device), run.provenance_file)
    save_experiment(experiment, run.experiment_file)
    return run


def resolve(experiment: Experiment) -> Experiment:
    """Spell out what was left to the machine or to the backbone, refusing what cannot work."""
    changes = {"space": probe(experiment.space), "device": find_device(experiment.device)}
    return experiment.model_copy(update=changes)


def do_run(run: Run, progress: Progress = silent, workers: Workers | None = None) -> None:
    """Do all stages of a run that have not been done yet, with workers or in this process.

    What they report is written, too.
    """
    with log_scalars(run.tensorboard_folder, progress) as logged:
        _do_stages(run, logged, workers)


def _do_stages(run: Run, progress: Progress, workers: Workers | None) -> None:
    experiment = load_experiment(run.experiment_file, {"device": _device_here(run)})
    workers = resolve_workers(workers, experiment.device)
    space, data = experiment.space, load_data(experiment.data)
    problem = Problem(space, experiment.search.goal, _prices(run, experiment, data, progress))
    problem.feasible(problem.plain)  # a limit that means nothing shows before any training
    searcher = make_searcher(experiment.search.searcher, problem, **experiment.search.options)
    store = TrialLog(run.trials_file, space)
    if experiment.search.evaluator == "shared":
        plain = make_shared(run, experiment, data, workers, progress)
    else:
        plain = make_standalone(run, experiment, data, progress)
    done = len(store.trials)
    with search_with(plain, experiment, problem, workers, run.path, done) as evaluator:
        ending = run_search(
            problem,
            searcher,
            evaluator,
            store,
            SearchSettings(
                budget=experiment.search.budget,
                cohort=experiment.search.cohort,
                steps=experiment.search.steps,
                seed=experiment.seed,
            ),
            axis=experiment.cost_axis,
            progress=progress,
        )
    log.info("the search ended: %s", ending)
    if experiment.search.verify:
        short = make_standalone(run, experiment, data, progress)
        with train_with(short, workers, run.path, name="verify") as trainer:
            _verify(run, problem, trainer, experiment.search.verify)
    with judge_with(plain, workers, run.path) as judge:
        conclude(run, experiment, problem, judge, len(data.search), ending, progress)


def _device_here(run: Run) -> str:
    """Return the device a run was started on, or what there is if it moved to another machine."""
    device = run.fields["device"]
    found = find_device("auto")
    return found if device.startswith("cuda") and found == "cpu" else device


def _prices(
    run: Run, experiment: Experiment, data: Data, progress: Progress
) -> Callable[[Placement], Cost]:
    """Return what prices placements, from the run's own table."""
    if not run.costs_file.is_file():
        measure_costs(
            experiment.space,
            classes=data.classes,
            batch_size=experiment.cost_batch,
            device=experiment.device,
            progress=progress,
        ).save(run.costs_file)
    return price_list(experiment.space, CostTable.load(run.costs_file), data.classes)


def _verify(run: Run, problem: Problem, evaluator: Evaluator, count: int) -> None:
    """Train the placements of the highest rewards stand-alone, and rank them again.

    Shared weights rank roughly; a short schedule of a placement's own is dearer and ranks better.
    The trainings are trials of a log of their own, so that stopping in between costs nothing.
    """
    done = [trial for trial in run.read_trials() if trial.status == "done"]
    best = sorted(done, key=lambda trial: (-trial.reward, trial.number))[:count]
    recorder = TrialRecorder(problem, evaluator, TrialLog(run.verified_file, problem.space))
    recorder.evaluate([trial.placement for trial in best], 0, count)
