"""The search loop: ask for a cohort, evaluate its new members, tell the searcher, and repeat.

Randomness comes from (seed, step) alone, and trials are told in the order of the cohort. The trial
log is therefore the only state of a search. A resumed search runs the same loop from the start, but
reads the logged trials instead of evaluating them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ean_search.core.objective import Problem
from ean_search.core.trial import Trial
from ean_search.search.evaluator import Evaluator
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.plain_searcher import as_searcher
from ean_search.search.status import SearchStatus
from ean_search.search.trial_log import TrialLog
from ean_search.search.trial_recorder import TrialRecorder, count_named
from ean_search.utils.progress import Progress, silent

MAX_IDLE_STEPS = 100  # consecutive steps without a new placement, after which a search ends


@dataclass(frozen=True)
class SearchSettings:
    """The budget of a search, and the other settings that determine its history.

    Attributes:
        budget: The number of distinct placements to evaluate, including the named ones, which are
            always evaluated.
        cohort: The number of placements to ask for at once; by default, the searcher's own.
        steps: The maximum number of cohorts; unlimited by default.
        seed: The seed of the searcher's random draws.
    """

    budget: int
    cohort: int | None = None
    steps: int | None = None
    seed: int = 0


def run_search(
    problem: Problem,
    searcher: Searcher | Any,
    evaluator: Evaluator,
    log: TrialLog,
    settings: SearchSettings,
    *,
    axis: str = "latency_ms",
    progress: Progress = silent,
) -> str:
    """Search until the budget is spent; logged trials are not evaluated again.

    Args:
        problem: The space, the objective and the costs.
        searcher: A searcher, or any object with `ask` and `tell`.
        evaluator: Measures the accuracy of placements.
        log: The trials so far; new trials are appended.
        settings: The budget, the size of a cohort, and the seed.
        axis: The cost axis of the Pareto front in progress reports.
        progress: Receives a report after each cohort.

    Returns:
        The reason why the search ended.

    Raises:
        UserError: If the log holds trials that this search would not have proposed.
    """
    searcher, recorder = as_searcher(searcher), TrialRecorder(problem, evaluator, log)
    cohort = settings.cohort or searcher.cohort
    total = max(settings.budget, count_named(problem.space))
    status = SearchStatus(axis, total, len(log.trials), problem.objective.score)

    def tell(trials: list[Trial]) -> None:
        searcher.tell(trials)
        new = status.add(trials)
        message = status.describe(trials, new, searcher.entropy)
        progress("search", status.done, status.total, message)

    for trial in recorder.evaluate_named():
        tell([trial])
    step = idle = 0
    while (ending := _ending(recorder, settings, step, idle)) is None:
        step += 1
        before = len(recorder.known)
        proposals = searcher.ask(cohort, np.random.default_rng((settings.seed, step)))
        tell(recorder.evaluate(proposals, step, settings.budget - before))
        idle = idle + 1 if len(recorder.known) == before else 0
    return ending


def _ending(recorder: TrialRecorder, settings: SearchSettings, step: int, idle: int) -> str | None:
    """Return the reason to end the search now, or None."""
    if len(recorder.known) >= settings.budget:
        return "the budget is spent"
    if len(recorder.known) >= recorder.problem.space.size:
        return "every placement was evaluated"
    if settings.steps is not None and step >= settings.steps:
        return f"{settings.steps} steps were taken"
    if idle >= MAX_IDLE_STEPS:
        return f"nothing new was proposed in {idle} steps"
    return None
