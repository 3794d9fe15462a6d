"""How often racing loses a cohort's winner, and how many images it saves, on a finished run.

Which placements get which search images right is computed once; then many cohorts of them race
over the images in many orders, which costs nothing.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from ean_search.data import Data, load_data
from ean_search.evaluate import SharedWeights
from ean_search.experiment import Experiment, load_experiment
from ean_search.folder import Run
from ean_search.lookup import UserError
from ean_search.measure import price_list
from ean_search.network import build
from ean_search.objective import Problem
from ean_search.racing import Race
from ean_search.space import Placement
from ean_search.supernet import train_supernet

ERRORS = (0.05, 0.2)
SIZES = (4, 8, 32)  # of cohorts


def bench_racing(run: Run, *, races: int = 500, batch: int = 100) -> pd.DataFrame:
    """Race cohorts of a run's placements, a row for each size of cohort and stated error."""
    if not run.summary.is_file():
        raise UserError(f"{run.path} is not finished: ean-search resume {run.path}")
    placements = [run.space.parse(text) for text in run.frame().placement]
    experiment = load_experiment(run.experiment, {"device": "cpu"})
    data = load_data(experiment.data)
    right = answers(run, experiment, data, placements)
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


def answers(
    run: Run, experiment: Experiment, data: Data, placements: Sequence[Placement]
) -> np.ndarray:
    """Tell which placements get which search images right: (placements, images)."""
    network = build(run.space, data.classes, experiment.seed)
    train_supernet(network, run.space, data.train, experiment.supernet, run.supernet)
    evaluator = SharedWeights(network, data.search, experiment.eval_batch)
    parts = []
    with torch.inference_mode():
        for images, labels in data.search.batches(evaluator.at_once):
            part = np.zeros((len(placements), len(labels)), dtype=bool)
            for members, logits in evaluator.passes(images, placements):
                part[members] = (logits.argmax(1) == labels).numpy()
            parts.append(part)
    return np.concatenate(parts, axis=1)


def simulate(
    right: np.ndarray, values: np.ndarray, *, size: int, error: float, races: int, batch: int
) -> dict[str, float]:
    """Race random cohorts over random orders of the images."""
    race, total = Race(lambda placement: 0.0, error), right.shape[1]
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
