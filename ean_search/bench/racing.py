"""How often racing loses a cohort's winner, and how many images it saves, on a finished run.

Which placements get which search images right is computed once; then many cohorts of them race
over the images in many orders, which costs nothing.
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
from ean_search.runs.evaluator_factory import make_shared
from ean_search.runs.experiment import load_experiment
from ean_search.utils.errors import UserError
from ean_search.utils.progress import silent

ERRORS = (0.05, 0.2)
SIZES = (4, 8, 32)  # of cohorts


def bench_racing(run: Run, *, races: int = 500, batch: int = 100) -> pd.DataFrame:
    """RacingRule cohorts of a run's placements, a row for each size of cohort and stated error."""
    if not run.summary_file.is_file():
        raise UserError(f"{run.path} is not finished: ean-search resume {run.path}")
    placements = [run.space.parse(text) for text in run.frame().placement]
    experiment = load_experiment(run.experiment_file, {"device": "cpu"})
    data = load_data(experiment.data)
    right = answers(make_shared(run, experiment, data, None, silent), placements)
    problem = Problem(
        run.space, experiment.search.goal, price_list(run.space, run.read_costs(), data.classes)
    )
    values = np.array([problem.reward(0.0, problem.price(p)) for p in placements])
    rows = [
        simulate(right, values, size=size, error=error, races=races, batch=batch)
        for size in SIZES
        if size <= len(placements)
        for error in ERRORS
    ]
    return pd.DataFrame(rows).assign(images=right.shape[1], placements=len(placements))


class _Witness(RacingRule):
    """Stops nobody, and remembers who got which images right."""

    def stops(self, right: np.ndarray, values: np.ndarray, total: int, looks: int) -> np.ndarray:
        """Mark no member."""
        self.right = right
        return np.zeros(len(right), dtype=bool)


def answers(evaluator: SharedWeightsEvaluator, placements: Sequence[Placement]) -> np.ndarray:
    """Tell which placements get which images right: (placements, images)."""
    witness = _Witness(lambda placement: 0.0)
    list(evaluator.evaluate(placements, witness))
    return witness.right


def simulate(
    right: np.ndarray, values: np.ndarray, *, size: int, error: float, races: int, batch: int
) -> dict[str, float]:
    """RacingRule random cohorts over random orders of the images."""
    race, total = RacingRule(lambda placement: 0.0, error), right.shape[1]
    looks = -(-total // batch)
    lost, seen, regret = 0, 0, 0.0
    for number in range(races):
        rng = np.random.default_rng((number, size))
        cohort = rng.choice(len(right), size, replace=False)
        answered = right[np.ix_(cohort, rng.permutation(total))]
        rewards = answered.mean(axis=1) + values[cohort]
        left = np.arange(size)
        for end in range(batch, total + batch, batch):
            seen += len(left) * (min(end, total) - end + batch)
            stopped = race.stops(answered[left, :end], values[cohort][left], total, looks)
            left = left[~stopped]
        regret += rewards.max() - rewards[left].max()
        lost += rewards[left].max() < rewards.max()
    return {
        "cohort": size,
        "stated_error": error,
        "races": races,
        "winner_lost": lost / races,
        "mean_regret": regret / races,
        "images_seen": seen / (races * size * total),
    }
