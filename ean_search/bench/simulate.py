"""One searcher on one task: its regret after so many evaluations, and how long they took.

Regret is how far the true reward of the placement that the searcher recommends is below the
optimum, in standard deviations of the reward over all placements. Most searchers recommend the
placement with the best measured reward. It is counted by distinct evaluations: repetitions are
free.

Time is simulated. An evaluation takes one round of a worker and a proposal takes none, so a step
with c new placements takes ceil(c / workers) rounds. A searcher is asked for as many placements as
there are workers, or for its own cohort if that is larger. With more workers it therefore learns
less often; the rounds show what that costs in evaluations and gains in time.

On a table, a run of a searcher that recommends the best measured reward ends as soon as the best
observable one was seen, because its regret cannot change afterwards. Only runs with one worker on
the mean of all trainings go on: the hypervolume is taken from them.
"""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import groupby

import numpy as np

from ean_search.bench.tasks import Task
from ean_search.core.answers import Answers
from ean_search.core.pareto import front_mask, hypervolume
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Trial
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.registry import make_searcher, split_searcher
from ean_search.search.tabular.placement_bench import PlacementBench
from ean_search.search.trial_log import InMemoryTrialLog

CHECKPOINTS = (10, 20, 50, 100, 150, 300, 600, 900)  # evaluations
REGRET_GOALS = (0.01, 0.001)  # shares of the range between worst and best reward
MAX_EVALUATIONS = {"optuna-tpe": 300}  # of searchers whose proposals take longer and longer
MIN_HUGE_SITES, MAX_EVALUATIONS_IF_HUGE = 100, 300  # of spaces in which each proposal takes long


class RecommendationRecorder(Searcher):
    """A searcher that also records which placement it recommends after each trial."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher, self.cohort = searcher, searcher.cohort
        self._trials: list[Trial] = []
        self.recommended: list[Placement] = []

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Let the searcher propose."""
        return self._searcher.ask(n, rng)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Let the searcher learn, and ask which of the trials so far it recommends."""
        self._searcher.tell(trials)
        new = [trial for trial in trials if trial.number >= len(self._trials)]
        self.add(sorted(set(new), key=lambda trial: trial.number))

    def add(self, trials: Sequence[Trial]) -> None:
        """Record what is recommended after each of some new trials."""
        for trial in trials:
            self._trials.append(trial)
            self.recommended.append(self._searcher.recommend(self._trials).placement)


class _BestRewardSeenError(Exception):
    """Ends a search whose regret cannot change any more."""


class _StoppingTrialLog(InMemoryTrialLog):
    """Ends a search as soon as a trial reaches a reward."""

    def __init__(self, stop_reward: float) -> None:
        super().__init__()
        self.stop_reward = stop_reward

    def append(self, trial: Trial, answers: Answers | None = None) -> None:
        """Add a trial, and end the search if its reward is high enough."""
        super().append(trial, answers)
        if trial.reward >= self.stop_reward:
            raise _BestRewardSeenError


def run_searcher(name: str, task: Task, workers: int, budget: int) -> list[dict[str, object]]:
    """Run one searcher on one task.

    Args:
        name: Name of a searcher; options may follow it, as in `optuna-tpe multi=true`.
        task: A landscape or a table.
        workers: Number of simulated workers.
        budget: Greatest number of distinct evaluations.

    Returns:
        One row per checkpoint: regret, rounds, hypervolume, and when the run reaches each goal.
    """
    searcher_name, options = split_searcher(name)
    budget = min(budget, _max_evaluations(searcher_name, task.problem.space))
    searcher = make_searcher(searcher_name, task.problem, **options)
    start = time.perf_counter()
    trials, recommended = _search(searcher, task, workers, budget)
    seconds = (time.perf_counter() - start) / len(trials)
    regrets, rounds = compute_regrets(recommended, task), count_rounds(trials, workers)
    run = {"task": task.name, "searcher": name, "workers": workers, "seed": task.seed}
    run |= {"sites": task.problem.space.sites, "goal_in_sight": _sees_truth(task)}
    run |= _until_goals(regrets, rounds, task) | {"ms_per_evaluation": 1e3 * seconds}
    rows = []
    for n in list_checkpoints(budget):
        last = min(n, len(regrets)) - 1  # a searcher that ends early keeps its regret
        row = {"evaluations": n, "rounds": int(rounds[last]), "regret": float(regrets[last])}
        rows.append(run | row | {"hypervolume": _share_of_front(task, trials[:n], workers)})
    return rows


def _max_evaluations(searcher_name: str, space: Space) -> int:
    """Return how many evaluations there can be, or how many are enough to compare."""
    most = MAX_EVALUATIONS.get(searcher_name, space.size)
    return min(most, space.size, MAX_EVALUATIONS_IF_HUGE if space.sites >= MIN_HUGE_SITES else most)


def _stop_reward(searcher: Searcher, task: Task, workers: int) -> float:
    """Return the reward that ends a run: on a table, that after which the regret is final."""
    follows_rewards = type(searcher).recommend is Searcher.recommend
    if isinstance(task, PlacementBench) and not _shows_front(task, workers) and follows_rewards:
        return task.best_observable_reward
    return math.inf


def _shows_front(task: Task, workers: int) -> bool:
    """Tell whether the hypervolume of a run counts."""
    return isinstance(task, PlacementBench) and _sees_truth(task) and workers == 1


def _sees_truth(task: Task) -> bool:
    """Tell whether the optimum can be found: not if one of several trainings is seen."""
    return not isinstance(task, PlacementBench) or task.sees == "mean"


def _share_of_front(task: Task, trials: Sequence[Trial], workers: int) -> float:
    """Return the share of the hypervolume, if it counts."""
    if not _shows_front(task, workers):
        return math.nan
    return hypervolume_share(task, [trial.placement for trial in trials])


def _search(
    searcher: Searcher, task: Task, workers: int, budget: int
) -> tuple[list[Trial], list[Placement]]:
    """Run the search loop; return its trials, and what was recommended after each of them."""
    recorder, log = (
        RecommendationRecorder(searcher),
        _StoppingTrialLog(_stop_reward(searcher, task, workers)),
    )
    settings = SearchSettings(budget, max(workers, searcher.cohort), seed=task.seed)
    with suppress(_BestRewardSeenError):
        run_search(task.problem, recorder, task, log, settings)
    recorder.add(log.trials[len(recorder.recommended) :])  # of a cohort that was not told
    return log.trials, recorder.recommended


def _until_goals(regrets: np.ndarray, rounds: np.ndarray, task: Task) -> dict[str, float]:
    """Return the evaluations and rounds until each goal is first reached; NaN if it never is."""
    low, high = task.reward_range
    until = {}
    for goal in REGRET_GOALS:
        reached = np.flatnonzero(regrets <= goal * (high - low) / task.reward_std)
        first = int(reached[0]) if len(reached) else None
        until[f"until_{goal:.1%}"] = math.nan if first is None else first + 1
        until[f"rounds_until_{goal:.1%}"] = math.nan if first is None else int(rounds[first])
    return until


def list_checkpoints(budget: int) -> list[int]:
    """List the numbers of evaluations at which searchers are compared."""
    return sorted({budget, *(n for n in CHECKPOINTS if n < budget)})


def compute_regrets(recommended: Sequence[Placement], task: Task) -> np.ndarray:
    """Return the regret after each trial, of the placement recommended then."""
    truth = np.array([task.reward(placement) for placement in recommended])
    return (task.reward_range[1] - truth) / task.reward_std


def count_rounds(trials: Sequence[Trial], workers: int) -> np.ndarray:
    """Return the round in which each trial is evaluated; a step waits for the one before it."""
    rounds: list[int] = []
    for _, step in groupby(trials, key=lambda trial: trial.step):
        before = rounds[-1] if rounds else 0
        rounds += [before + 1 + number // workers for number, _ in enumerate(step)]
    return np.array(rounds)


def hypervolume_share(task: Task, placements: Sequence[Placement]) -> float:
    """Return the share of the hypervolume below a table's true front that placements reach.

    Accuracy counts against the cost that the objective names first, or against latency. The
    reference point has the table's worst values of both. Landscapes have no known front: NaN.
    """
    if not isinstance(task, PlacementBench):
        return math.nan
    reference, volume = _front_of(task)
    return _volume(_points(task, placements), reference) / volume


@cache
def _front_of(table: PlacementBench) -> tuple[np.ndarray, float]:
    """Return a table's reference point, and the hypervolume of all its placements."""
    points = _points(table, list(table.costs))
    reference = points.max(axis=0)
    return reference, _volume(points, reference)


def _points(table: PlacementBench, placements: Sequence[Placement]) -> np.ndarray:
    """Return costs and negative accuracies, both to be minimised: (placements, 2)."""
    weights = table.problem.objective.weights
    axis = weights[0][0] if weights else "latency_ms"
    return np.array([(table.costs[p].on(axis), -table.true_accuracy(p)) for p in placements])


def _volume(points: np.ndarray, reference: np.ndarray) -> float:
    return hypervolume(points[front_mask(points)], reference)
