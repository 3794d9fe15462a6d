"""Does a run: costs, supernet, search, conclusions; each stage leaves its file in the folder.

A stage whose file exists is not done again, so a run is resumed by the same call that began it.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ean_search.analysis.run_folder import Run, load_run
from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import Cost
from ean_search.costs.measure import measure_costs, price_list
from ean_search.data.datasets import Data, load_data
from ean_search.data.search_images import divide_search
from ean_search.data.splits import Split
from ean_search.distributed.config import Workers
from ean_search.runs.begin import begun_run
from ean_search.runs.change_budget import change_budget
from ean_search.runs.checks import check_experiment, check_limits
from ean_search.runs.conditions import check_conditions
from ean_search.runs.earlier_formats import settings_before
from ean_search.runs.evaluator_factory import (
    LocalEvaluator,
    choose_workers,
    make_shared_evaluator,
    make_standalone_evaluator,
    search_evaluator,
    training_evaluator,
)
from ean_search.runs.experiment import (
    Experiment,
    load_experiment,
)
from ean_search.runs.final_evaluator import final_evaluator
from ean_search.runs.live_start import give_network, with_network
from ean_search.runs.new_folder import refuse_used
from ean_search.runs.plugins import check_plugins
from ean_search.runs.resolve_experiment import resolve
from ean_search.runs.summary import conclude
from ean_search.search.evaluator import Evaluator
from ean_search.search.loop import run_search
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.registry import make_searcher
from ean_search.search.trial_log import TrialLog
from ean_search.search.trial_recorder import TrialRecorder, count_named
from ean_search.utils.device import find_device
from ean_search.utils.errors import UserError
from ean_search.utils.locks import only_writer
from ean_search.utils.progress import Progress, silent
from ean_search.utils.safe_paths import refuse_links
from ean_search.utils.tensorboard import log_scalars

log = logging.getLogger(__name__)


def start_run(
    experiment: Experiment | Path | str,
    path: Path | str,
    *,
    numbered: bool = False,
    network: nn.Module | None = None,
) -> Run:
    """Make the folder of a new run, with its experiment and its provenance; nothing is computed.

    All that can be checked of the experiment is checked before there is a folder.

    Args:
        experiment: What to do, or the YAML file that says it; see `load_experiment`.
        path: The folder; it must not exist, be empty, or be that of a run without any trial, which
            then starts anew.
        numbered: Take a new folder in any case: `path` with a number if there is one already.
        network: A network of your own, trained or not, in place of the backbone of the space. It is
            left as it is; a run that goes on asks for it again.

    Raises:
        UserError: If the folder is in use, or something in the experiment cannot work.

    Example:
        >>> run = start_run(load_experiment("experiment.yaml"), "results/first")
        >>> do_run(run)
    """
    with started_run(experiment, path, numbered=numbered, network=network) as run:
        return run


@contextmanager
def started_run(
    experiment: Experiment | Path | str,
    path: Path | str,
    *,
    numbered: bool = False,
    network: nn.Module | None = None,
) -> Iterator[Run]:
    """Start a run like `start_run`, and keep other processes off it in the block."""
    if not numbered:
        refuse_used(Run(Path(path)))
    if not isinstance(experiment, Experiment):
        experiment = load_experiment(experiment)
    live = None
    if network is not None:
        experiment, live = with_network(experiment, network)
    experiment = resolve(experiment)
    check_plugins(experiment)
    check_experiment(experiment)
    with begun_run(experiment, Path(path), numbered=numbered) as run:
        yield run
    del live  # it was held until here


def do_run(
    run: Run | Path | str,
    progress: Progress = silent,
    workers: Workers | None = None,
    *,
    budget: int | None = None,
    steps: int | None = None,
    force: bool = False,
    network: nn.Module | None = None,
) -> None:
    """Do all stages of a run that are not done yet.

    Args:
        run: A run that `start_run` made or `load_run` opened, or its folder.
        progress: Is told how far each stage has come; TensorBoard gets the same scalars.
        workers: Ray workers that evaluate placements. This process does if None, except on a
            machine with several GPUs.
        budget: Search on, or less far, up to so many evaluations in all: the history is that of a
            run that was started with this budget. The experiment's own if None.
        steps: The same for the number of cohorts.
        force: Go on with another device, number of threads or torch than the run began with,
            though that changes its history.
        network: The network that the run began with, where `start_run` was given one.

    Raises:
        UserError: If another process is working on the run, or something cannot work.

    Example:
        >>> do_run("results/tiny/first", budget=200)
    """
    run = load_run(run)
    with only_writer(run.lock_file, str(run.path)):
        refuse_links(run.path)
        live = None if network is None else give_network(run.space, network)
        change_budget(run, budget, steps)
        _do_stages(run, progress, workers, force)
        del live  # it was held until here


def _do_stages(run: Run, progress: Progress, workers: Workers | None, force: bool) -> None:
    with log_scalars(run.tensorboard_folder, progress) as logged_progress:
        changes = {"device": _available_device(run), **settings_before(run)}
        experiment = load_experiment(run.experiment_file, changes, run.trust)
        check_conditions(run, experiment.device, force=force)
        check_plugins(experiment)  # a plug-in may have changed since the start
        workers = choose_workers(workers, experiment.device)
        share = experiment.search.judge_share
        data, judge = divide_search(load_data(experiment.data), share)
        _Stages(run, experiment, data, judge, workers, logged_progress).do_all()


def _available_device(run: Run) -> str:
    """Return the device a run was started on, or the CPU if this machine has no GPU."""
    device = str(run.fields.get("device"))
    available = find_device("auto")
    return available if device.startswith("cuda") and available == "cpu" else device


@dataclass(frozen=True)
class _Stages:
    """The stages of one run, and what they share."""

    run: Run
    experiment: Experiment
    data: Data
    judge: Split | None
    workers: Workers | None
    progress: Progress

    def do_all(self) -> None:
        """Do the stages in order; what can be wrong with an experiment shows before training."""
        problem = self.make_problem()
        search = self.experiment.search
        searcher = make_searcher(search.searcher, problem, **search.options)
        if search.warm_start:
            searcher.warm_start(self.run.read_warm_start())
        trial_log = TrialLog(self.run.trials_file, problem.space, problem.objective.score)
        _warn_of_small_budget(problem, search.budget)
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
        check_limits(problem)
        return problem

    def prices(self) -> Callable[[Placement], Cost]:
        """Measure the costs if necessary, and return what prices placements."""
        experiment, costs_file = self.experiment, self.run.costs_file
        if not costs_file.is_file() and self.run.trials_file.is_file() and self.run.read_trials():
            raise UserError(
                f"{costs_file} is lost, and the trials so far were priced by it: put it back; "
                "prices that are measured anew would mix two price lists"
            )
        if not costs_file.is_file():
            measure_costs(
                experiment.space,
                classes=self.data.classes,
                image_size=experiment.cost_image_size or self.data.image_size,
                batch_size=experiment.cost_batch,
                device=experiment.device,
                progress=self.progress,
            ).save(costs_file)
        return price_list(experiment.space, self.run.read_costs(), self.data.classes)

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
        with final_evaluator(evaluator, self.judge, self.workers, self.run.path) as final:
            conclude(
                self.run,
                self.experiment,
                problem,
                final,
                ending,
                self.progress,
                classes=self.data.classes,
            )


def _warn_of_small_budget(problem: Problem, budget: int) -> None:
    """Say so if the named placements alone are more evaluations than the budget."""
    named = count_named(problem.space)
    if budget < named:
        log.warning(
            "budget %d is less than the %d named placements that every search begins with: "
            "%d placements are evaluated",
            budget,
            named,
            named,
        )


def _verify_best(run: Run, problem: Problem, evaluator: Evaluator, count: int) -> None:
    """Evaluate the placements of the highest rewards once more.

    Shared weights rank placements only roughly; a short training of each placement costs more and
    ranks better. The trainings are trials of a second log, so an interruption loses none of them.
    Those that a search with a smaller budget chose are kept.
    """
    done = [trial for trial in run.read_trials() if trial.status == "done"]
    best = sorted(done, key=lambda trial: (-trial.reward, trial.number))[:count]
    verified = TrialLog(run.verified_file, problem.space, problem.objective.score)
    recorder = TrialRecorder(problem, evaluator, verified)
    recorder.evaluate([trial.placement for trial in verified.trials], 0, len(verified.trials))
    recorder.evaluate([trial.placement for trial in best], 0, count)
