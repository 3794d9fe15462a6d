"""How well weight-sharing networks rank placements that were also trained on their own.

Every sampling rule sees as many images as every other: `sandwich` and `complement`, which pass a
batch several times a step, get as many epochs fewer.
"""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, spearmanr

from ean_search.bench.truth import f_statistic, train_all
from ean_search.data import Data, load_data
from ean_search.evaluate import SharedWeights
from ean_search.evaluators import calibration_images
from ean_search.experiment import Experiment
from ean_search.network import build
from ean_search.progress import Progress, silent
from ean_search.supernet import Supernet, train_supernet

# Sampling rule, a placement for each image, passes a step.
RULES = (
    ("bernoulli", False, 1),
    ("uniform-count", False, 1),
    ("uniform-count", True, 1),
    ("complement", False, 2),
    ("sandwich", False, 4),
)
EPOCHS = 4  # as many as the most passes: each rule's epochs are a whole number
CALIBRATION = (0, 256)  # images


def bench_supernet(
    experiment: Experiment,
    truth_path: Path,
    *,
    seeds: int = 3,
    rounds: int = 1,
    progress: Progress = silent,
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Compare sampling rules, a row for each, seed and calibration; say how noisy truth is."""
    truth = train_all(experiment, truth_path, seeds, progress)
    data = load_data(experiment.data)
    wide = truth.pivot(index="placement", columns="seed", values="accuracy")
    rows = []
    for number, (sampler, per_sample, passes) in enumerate(RULES):
        for seed in range(seeds):
            progress("supernets", number * seeds + seed, len(RULES) * seeds, sampler)
            recipe = experiment.supernet.recipe.model_copy(
                update={"epochs": rounds * EPOCHS // passes}
            )
            supernet = Supernet(sampler=sampler, per_sample=per_sample, recipe=recipe)
            for images, estimates in _estimate(experiment, data, supernet, wide.index, seed):
                row = {"sampler": sampler, "per_sample": per_sample, "calibration_images": images}
                rows.append(row | {"seed": seed} | compare(estimates, wide.mean(axis=1)))
    progress("supernets", len(RULES) * seeds, len(RULES) * seeds)
    between_seeds = wide.corr("kendall").to_numpy()[np.triu_indices(seeds, k=1)]
    noise = {
        "f_statistic": f_statistic(truth),
        "tau_between_seeds": float(between_seeds.mean()),
        "spread_of_placements": float(wide.mean(axis=1).std()),
    }
    return pd.DataFrame(rows), noise


def _estimate(
    experiment: Experiment, data: Data, supernet: Supernet, placements: Iterable[str], seed: int
) -> Iterable[tuple[int, pd.Series]]:
    """Train one network for all placements, and yield its estimates for each calibration."""
    space = experiment.space
    network = build(space, data.classes, seed)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "supernet.safetensors"
        train_supernet(
            network, space, data.train, supernet, path, seed=seed, device=experiment.device
        )
    parsed = [space.parse(text) for text in placements]
    for images in CALIBRATION:
        evaluator = SharedWeights(
            network,
            data.search,
            experiment.eval_batch,
            experiment.device,
            calibration_images(data, images),
        )
        measured = [result.accuracy for result in evaluator.evaluate(parsed)]
        yield images, pd.Series(measured, index=placements)


def compare(estimates: pd.Series, truth: pd.Series) -> dict[str, float]:
    """Say how well estimates rank what is true."""
    truth = truth[estimates.index]
    top = estimates.nlargest(5).index
    return {
        "tau": float(kendalltau(estimates, truth).statistic),
        "spearman": float(spearmanr(estimates, truth).statistic),
        "top5_regret": float(truth.max() - truth[top].max()),
    }
