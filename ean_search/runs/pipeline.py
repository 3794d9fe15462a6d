"""Does a run: costs, supernet, search, conclusions; each stage leaves its file in the folder.

A stage whose file exists is not done again, so a run is resumed by the same call that began it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
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
    LocalEvaluator,
    choose_workers,
    make_shared_evaluator,
    make_standalone_evaluator,
    search_evaluator,
    training_evaluator,
)
from ean_search.runs.experiment import Experiment, load_experiment, save_experiment
from ean_search.runs.final_evaluator import final_evaluator
from ean_search.runs.summary import conclude
from ean_search.search.evaluator import Evaluator
from ean_search.search.loop import run_search
from ean_search.search.searchers.base import Searcher
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


def start_run(experiment: Experiment, path: Path | str) -> Run:
    """Make the folder of a new run, with its experiment and its provenance; nothing is computed.

    Args:
        experiment: What to do; see `load_experiment`.
        path: The folder; it must not exist or be empty.

    Raises:
        UserError: If the folder is in use, or the space or the device cannot work.

    Example:
        >>> run = start_run(load_experiment("experiment.yaml"), "results/first")
        >>> do_run(run)
    """
    experiment, run = resolve(experiment), Run(Path(path))
    if run.experiment_file.is_file():
        raise UserError(f"{path} exists; continue it with: ean-search resume {path}")
    if _holds_other_files(run):
        raise UserError(f"{path} exists and is not a run: choose another --name")
    run.path.mkdir(parents=True, exist_ok=True)
    save_json(provenance(experiment.device), run.provenance_file)
    save_experiment(experiment, run.experiment_file)
    return run


def _holds_other_files(run: Run) -> bool:
    """Say whether a folder holds more than an interrupted start leaves."""
    own = run.provenance_file.name
    return run.path.exists() and any(entry.name != own for entry in run.path.iterdir())


def resolve(experiment: Experiment) -> Experiment:
    """Spell out what depends on the machine or on the backbone.

    Raises:
        UserError: If the backbone does not have the sites, or there is no such device.
    """
    changes = {"space": probe(experiment.space), "device": find_device(experiment.device)}
    return experiment.model_copy(update=changes)


def do_run(run: Run, progress: Progress = silent, workers: Workers | None = None) -> None:
    """Do all stages of a run that are not done yet.

    Args:
        run: A run that `start_run` made or `load_run` opened.
        progress: Is told how far each stage has come; TensorBoard gets the same scalars.
        workers: Ray workers that evaluate placements. This process does if None, except on a
            machine with several GPUs.
    """
    with log_scalars(run.tensorboard_folder, progress) as logged_progress:
        experiment = load_experiment(run.experiment_file, {"device": _available_device(run)})
        workers = choose_workers(workers, experiment.device)
        data = load_data(experiment.data)
        _Stages(run, experiment, data, workers, logged_progress).do_all()


def _available_device(run: Run) -> str:
    """Return the device a run was started on, or the CPU if this machine has no GPU."""
    device: str = run.fields["device"]
    available = find_device("auto")
    return available if device.startswith("cuda") and available == "cpu" else device


@dataclass(frozen=True)
class _Stages:
    """The stages of one run, and what they share."""

    run: Run
    experiment: Experiment
    data: Data
    workers: Workers | None
    progress: Progress

    def do_all(self) -> None:
        """Do the stages in order; what can be wrong with an experiment shows before training."""
        problem = self.make_problem()
        search = self.experiment.search
        searcher = make_searcher(search.searcher, problem, **search.options)
        trial_log = TrialLog(self.run.trials_file, problem.space)
        evaluator = self.make_evaluator()
        ending = self.search(problem, searcher, evaluator, trial_log)
        log.info("the search ended: %s", ending)
        if search.verify:
            self.verify(problem, search.verify)
        self.conclude(problem, evaluator, ending)

    def make_problem(self) -> Problem:
        """State what to search for, with the costs of this machine."""
        problem = Problem(self.experiment.space, self.experiment.search.goal, self.prices())
        problem.feasible(problem.plain)  # raises if a limit has no meaning in this space
        return problem

    def prices(self) -> Callable[[Placement], Cost]:
        """Measure the costs if necessary, and return what prices placements."""
        experiment, costs_file = self.experiment, self.run.costs_file
        if not costs_file.is_file():
            measure_costs(
                experiment.space,
                classes=self.data.classes,
                batch_size=experiment.cost_batch,
                device=experiment.device,
                progress=self.progress,
            ).save(costs_file)
        return price_list(experiment.space, CostTable.load(costs_file), self.data.classes)

    def make_evaluator(self) -> LocalEvaluator:
        """Make the evaluator; with shared weights, this trains the weight-sharing network."""
        run, experiment, data = self.run, self.experiment, self.data
        if experiment.search.evaluator == "shared":
            return make_shared_evaluator(run, experiment, data, self.workers, self.progress)
        return make_standalone_evaluator(run, experiment, data, self.progress)

    def search(
        self, problem: Problem, searcher: Searcher, evaluator: LocalEvaluator, trial_log: TrialLog
    ) -> str:
        """Search until the budget is spent, and return why the search ended."""
        experiment, done = self.experiment, len(trial_log.trials)
        with search_evaluator(
            evaluator, experiment, problem, self.workers, self.run.path, done
        ) as used_evaluator:
            return run_search(
                problem,
                searcher,
                used_evaluator,
                trial_log,
                experiment.search.settings(experiment.seed),
                axis=experiment.cost_axis,
                progress=self.progress,
            )

    def verify(self, problem: Problem, count: int) -> None:
        """Train the placements of the highest rewards stand-alone, by the short schedule."""
        local = make_standalone_evaluator(self.run, self.experiment, self.data, self.progress)
        with training_evaluator(local, self.workers, self.run.path, name="verify") as evaluator:
            _verify_best(self.run, problem, evaluator, count)

    def conclude(self, problem: Problem, evaluator: LocalEvaluator, ending: str) -> None:
        """Compare the winners with others, and write the summary."""
        images = len(self.data.search)
        with final_evaluator(evaluator, images, self.workers, self.run.path) as final:
            conclude(self.run, self.experiment, problem, final, ending, self.progress)


def _verify_best(run: Run, problem: Problem, evaluator: Evaluator, count: int) -> None:
    """Evaluate the placements of the highest rewards once more.

    Shared weights rank placements only roughly; a short training of each placement costs more and
    ranks better. The trainings are trials of a second log, so an interruption loses none of them.
    """
    done = [trial for trial in run.read_trials() if trial.status == "done"]
    best = sorted(done, key=lambda trial: (-trial.reward, trial.number))[:count]
    recorder = TrialRecorder(problem, evaluator, TrialLog(run.verified_file, problem.space))
    recorder.evaluate([trial.placement for trial in best], 0, count)
