"""How often racing loses a cohort's winner, and how many images it saves, on a finished run.

Which placements get which search images right is computed once. Then many random cohorts race over
the images in many random orders, which takes no further evaluation.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ean_search.analysis.run_folder import Run
from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.costs.measure import price_list
from ean_search.data.datasets import load_data
from ean_search.evaluation.racing import RacingRule
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.runs.evaluator_factory import make_shared_evaluator
from ean_search.runs.experiment import load_experiment
from ean_search.utils.errors import UserError
from ean_search.utils.progress import silent

ERROR_RATES = (0.05, 0.2)  # stated chances that a cohort's winner is stopped
COHORT_SIZES = (4, 8, 32)


def bench_racing(run: Run, *, races: int = 500, batch: int = 100) -> pd.DataFrame:
    """Let random cohorts of a run's placements race; return one row per size and error rate.

    Args:
        run: A finished run.
        races: Number of races per row.
        batch: Images after which the rule looks at the cohort again.

    Raises:
        UserError: If the run is not finished.
    """
    if not run.summary_file.is_file():
        raise UserError(f"{run.path} is not finished: ean-search resume {run.path}")
    right, values = _read_answers(run)
    rows = [
        simulate_races(right, values, size=size, error=error, races=races, batch=batch)
        for size in COHORT_SIZES
        if size <= len(values)
        for error in ERROR_RATES
    ]
    return pd.DataFrame(rows).assign(images=right.shape[1], placements=len(values))


def _read_answers(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate a run's placements; return their answers, and what their costs add to rewards."""
    placements = [run.space.parse(text) for text in run.frame().placement]
    experiment = load_experiment(run.experiment_file, {"device": "cpu"}, run.trust)
    data = load_data(experiment.data)
    right = record_answers(make_shared_evaluator(run, experiment, data, None, silent), placements)
    problem = Problem(
        run.space, experiment.search.goal, price_list(run.space, run.read_costs(), data.classes)
    )
    return right, np.array([problem.reward(0.0, problem.price(p)) for p in placements])


class _AnswerRecorder(RacingRule):
    """A rule that stops no member and remembers which images each of them got right."""

    def __init__(self) -> None:
        super().__init__(lambda placement: 0.0)
        self.right = np.empty((0, 0), dtype=bool)

    def find_losers(
        self, right: np.ndarray, values: np.ndarray, total: int, looks: int
    ) -> np.ndarray:
        """Mark no member."""
        self.right = right
        return np.zeros(len(right), dtype=bool)


def record_answers(
    evaluator: SharedWeightsEvaluator, placements: Sequence[Placement]
) -> np.ndarray:
    """Return which placements get which images right: (placements, images)."""
    recorder = _AnswerRecorder()
    list(evaluator.evaluate(placements, recorder))
    return recorder.right


def simulate_races(
    right: np.ndarray, values: np.ndarray, *, size: int, error: float, races: int, batch: int
) -> dict[str, float]:
    """Let random cohorts race over random orders of the images.

    Args:
        right: Which placements get which images right, (placements, images).
        values: What the cost of each placement adds to its accuracy.
        size: Placements per cohort.
        error: Stated chance that the winner is stopped.
        races: Number of races.
        batch: Images between two looks at the cohort.
    """
    rule, total = RacingRule(lambda placement: 0.0, error), right.shape[1]
    lost, seen, regret = 0, 0, 0.0
    for number in range(races):
        rng = np.random.default_rng((number, size))
        cohort = rng.choice(len(right), size, replace=False)
        answers = right[np.ix_(cohort, rng.permutation(total))]
        left, images = _run_race(rule, answers, values[cohort], batch)
        rewards = answers.mean(axis=1) + values[cohort]
        gap = rewards.max() - rewards[left].max()
        seen, regret, lost = seen + images, regret + gap, lost + (gap > 0)
    row = {"cohort": size, "stated_error": error, "races": races, "winner_lost": lost / races}
    return row | {"mean_regret": regret / races, "images_seen": seen / (races * size * total)}


def _run_race(
    rule: RacingRule, right: np.ndarray, values: np.ndarray, batch: int
) -> tuple[np.ndarray, int]:
    """Run one race; return the members left at the end, and the images evaluated by all."""
    members, total = right.shape
    looks = -(-total // batch)
    left, images = np.arange(members), 0
    for end in range(batch, total + batch, batch):
        images += len(left) * (min(end, total) - end + batch)
        losers = rule.find_losers(right[left, :end], values[left], total, looks)
        left = left[~losers]
    return left, images
