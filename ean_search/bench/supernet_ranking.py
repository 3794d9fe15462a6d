"""How well weight-sharing networks rank placements that were also trained on their own.

All variants are judged by the same truth, that of the space's own gates, `other gates` too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from scipy.stats import kendalltau, spearmanr

from ean_search.bench.supernet_estimates import (
    NETWORK,
    VARIANTS,
    Variant,
    plan_epochs,
    read_estimates,
    train_networks,
)
from ean_search.runs.experiment import Experiment
from ean_search.utils.errors import UserError
from ean_search.utils.progress import Progress, silent

FIGURES = ("tau", "spearman", "tau_top_tenth", "top5_regret")
FEW = 5  # placements of the best estimates that one would retrain


def bench_supernet(
    experiment: Experiment,
    accuracies: pd.DataFrame,
    path: Path,
    *,
    seeds: int = 3,
    epochs: Sequence[int] = (),
    variants: Mapping[str, Variant] = VARIANTS,
    part: tuple[int, int] = (1, 1),
    progress: Progress = silent,
) -> pd.DataFrame:
    """FinalEvaluator variants by accuracies, which have a row a placement and a column a training.

    A row of the result is one network and calibration. Estimates are kept at the path, and all
    that are there are judged, also those of earlier calls.
    """
    # All at once, so that nothing is refused after hours of training.
    plans = [plan_epochs(experiment, variants, count) for count in epochs or [None]]
    for plan in plans:
        train_networks(experiment, path, variants, plan, seeds=seeds, part=part, progress=progress)
    known = len(accuracies.dropna())
    if known < experiment.space.size:
        size = experiment.space.size
        raise UserError(f"expected all {size} placements trained alone, got {known}")
    truth, rows = accuracies.mean(axis=1), []
    for network, one in read_estimates(path).groupby(list(NETWORK), sort=False):
        found = compare(one.set_index("placement").estimate, truth)
        rows.append(dict(zip(NETWORK, network, strict=True)) | found)
    return pd.DataFrame(rows)


def average(frame: pd.DataFrame) -> pd.DataFrame:
    """Average over seeds: a row a variant, schedule and calibration."""
    keys = [key for key in NETWORK if key != "seed"]
    groups = frame.groupby(keys, sort=False)
    return groups[list(FIGURES)].mean().assign(seeds=groups.size()).reset_index()


def compare(estimates: pd.Series, truth: pd.Series) -> dict[str, float]:
    """Say how well estimates rank what is true, among all and among the truly best tenth."""
    truth = truth[estimates.index]
    tenth = truth.nlargest(-(-len(truth) // 10)).index
    few = estimates.nlargest(FEW).index
    figures = (
        kendalltau(estimates, truth).statistic,
        spearmanr(estimates, truth).statistic,
        kendalltau(estimates[tenth], truth[tenth]).statistic,
        truth.max() - truth[few].max(),
    )
    return dict(zip(FIGURES, map(float, figures), strict=True))
