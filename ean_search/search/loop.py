"""The search loop: ask for a cohort, evaluate its new members, tell the searcher; over and over.

Randomness comes from (seed, step) alone and trials are told in the cohort's order, so the trial log
is the only state of a search: resuming runs the same loop again with the logged trials at hand.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ean_search.core.objective import Problem
from ean_search.core.trial import Trial
from ean_search.search.evaluator import Evaluator
from ean_search.search.searchers.base import Searcher, as_searcher
from ean_search.search.status import SearchStatus
from ean_search.search.trial_log import TrialLog
from ean_search.search.trial_recorder import TrialRecorder
from ean_search.utils.progress import Progress, silent

MAX_IDLE_STEPS = 100  # without a new placement, after which a searcher counts as exhausted


@dataclass(frozen=True)
class SearchSettings:
    """When a search ends, and what else determines its history."""

    budget: int  # distinct evaluations, the named placements included
    cohort: int | None = None  # placements to ask for at once; the searcher's own number if None
    steps: int | None = None  # cohorts to ask for at most
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
    """Search until the budget is spent; trials that the log has are told, not evaluated again.

    Args:
        problem: The space, the objective and the costs.
        searcher: A searcher, or any object with `ask` and `tell`.
        evaluator: Measures the accuracy of placements.
        log: The trials so far; new ones are appended.
        settings: When to stop, how many placements to ask for at once, and the seed.
        axis: The cost axis of the front that progress reports describe.
        progress: Is told where the search stands.

    Returns:
        Why the search ended.

    Raises:
        UserError: If the log holds trials that this search would not have proposed.
    """
    searcher, recorder = as_searcher(searcher), TrialRecorder(problem, evaluator, log)
    status, cohort = SearchStatus(axis), settings.cohort or searcher.cohort

    def tell(trials: list[Trial]) -> None:
        searcher.tell(trials)
        status.add(trials)
        message = status.describe(trials, searcher.entropy)
        progress("search", len(recorder.known), settings.budget, message)

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
    """Say why a search ends here, or None."""
    if len(recorder.known) >= settings.budget:
        return "the budget is spent"
    if len(recorder.known) >= recorder.problem.space.size:
        return "every placement was evaluated"
    if settings.steps is not None and step >= settings.steps:
        return f"{settings.steps} steps were taken"
    if idle >= MAX_IDLE_STEPS:
        return f"nothing new was proposed in {idle} steps"
    return None
