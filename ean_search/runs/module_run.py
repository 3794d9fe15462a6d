"""The stages of a search over a user's module; each leaves its file in the run's folder."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from torch import nn

from ean_search.analysis.run_folder import Run
from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import Cost
from ean_search.costs.measure import measure_costs, price_list
from ean_search.distributed.config import Workers
from ean_search.evaluation.module_score import ModuleEvaluator
from ean_search.networks.builder import build
from ean_search.networks.pretrained import silence_branches
from ean_search.runs.checks import check_limits
from ean_search.runs.experiment import Experiment
from ean_search.runs.final_evaluator import FinalEvaluator
from ean_search.runs.summary import conclude
from ean_search.runs.user_task import UserTask
from ean_search.search.evaluator import Evaluator
from ean_search.search.loop import run_search
from ean_search.search.searchers.registry import make_searcher
from ean_search.search.trial_log import TrialLog
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_weights, save_weights
from ean_search.utils.progress import Progress

CLASSES = 2  # `build` asks for a number, which a user's module does not depend on

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModuleRun:
    """A run over a user's module.

    Attributes:
        run: Its folder.
        experiment: What is done.
        task: The user's module, batches, loss and score.
        workers: Ray workers that score placements; None: this process does.
        progress: Is told how far each stage has come.
    """

    run: Run
    experiment: Experiment
    task: UserTask
    workers: Workers | None
    progress: Progress

    def do_all(self) -> None:
        """Do the stages that are not done yet."""
        if self.run.summary_file.is_file():
            return
        problem = self.make_problem()
        network = self.make_network()
        evaluator = self.make_evaluator(network)
        ending = self.search(problem, evaluator)
        log.info("the search ended: %s", ending)
        final = FinalEvaluator(
            network, self.task.live.device, 0, evaluator.evaluate, self.task.live.example
        )
        conclude(self.run, self.experiment, problem, final, ending, self.progress, classes=None)

    def make_problem(self) -> Problem:
        """State what to search for, with the costs of this machine."""
        problem = Problem(self.experiment.space, self.experiment.search.goal, self._prices())
        problem.feasible(problem.plain)  # raises if a limit has no meaning in this space
        check_limits(problem)
        return problem

    def _prices(self) -> Callable[[Placement], Cost]:
        costs_file, space = self.run.costs_file, self.experiment.space
        if not costs_file.is_file() and self.run.trials_file.is_file() and self.run.read_trials():
            raise UserError(f"{costs_file} is lost, and the trials so far were priced by it")
        if not costs_file.is_file():
            measure_costs(
                space, classes=CLASSES, device=self.task.live.device, progress=self.progress
            ).save(costs_file)
        return price_list(space, self.run.read_costs(), CLASSES)

    def make_network(self) -> nn.Module:
        """Make the weight-sharing network: the user's module, fine-tuned for all placements."""
        experiment, file = self.experiment, self.run.supernet_file
        network = build(experiment.space, CLASSES, experiment.seed)
        silence_branches(network)
        network.to(self.task.live.device)
        if file.is_file():
            load_weights(network, file)
            return network
        tuning = experiment.fine_tuning
        if tuning is not None and tuning.epochs:
            self.task.tuner(
                experiment.space,
                tuning,
                seed=experiment.seed,
                device=self.task.live.device,
                checkpoint=self.run.supernet_checkpoint,
                progress=self.progress,
            ).fit(network)
        save_weights(network, file)
        self.run.supernet_checkpoint.unlink(missing_ok=True)
        return network

    def make_evaluator(self, network: nn.Module) -> ModuleEvaluator:
        """Make what scores placements in this process."""
        experiment, tuning = self.experiment, self.experiment.fine_tuning
        assert tuning is not None, "a run over a user's module says how it is fine-tuned"
        return ModuleEvaluator(
            network,
            self.task.function,
            experiment.search.score,
            self.task.live.device,
            experiment.seed,
            self.task.calibration(experiment.space, tuning, experiment.seed),
        )

    def search(self, problem: Problem, evaluator: ModuleEvaluator) -> str:
        """Search until the budget is spent, and return why the search ended."""
        search, seed = self.experiment.search, self.experiment.seed
        trial_log = TrialLog(self.run.trials_file, problem.space, search.score)
        with self._with_workers(evaluator, problem, len(trial_log.trials)) as used:
            return run_search(
                problem,
                make_searcher(search.searcher, problem, **search.options),
                used,
                trial_log,
                search.settings(seed),
                axis=self.experiment.cost_axis,
                progress=self.progress,
            )

    def _with_workers(
        self, evaluator: ModuleEvaluator, problem: Problem, done: int
    ) -> AbstractContextManager[Evaluator]:
        if self.workers is None:
            return nullcontext(evaluator)
        from ean_search.distributed.ray_evaluator import RayEvaluator
        from ean_search.distributed.score_job import ScoreJob

        job = ScoreJob(evaluator)
        return RayEvaluator(job, problem.space, self.workers, self.run.path, done=done)
