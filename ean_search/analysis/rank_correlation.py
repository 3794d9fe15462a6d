"""Estimates of shared weights beside the accuracies of the same placements trained alone.

Reads what `run --verify` and `retrain` left in a run's folder. An estimate and a training differ in
data, split and schedule as well as in noise, so only their order should agree.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from ean_search.analysis.run_folder import Run
from ean_search.search.trial_log import read_trials

COLUMNS = ["placement", "note", "estimate", "alone", "kind", "seed"]
MIN_PLACEMENTS_TO_RANK = 3  # the order of two says nothing


def agreement_frame(run: Run) -> pd.DataFrame:
    """Return the estimate and the accuracy of every placement that was trained alone.

    Args:
        run: The run, with or without such trainings.

    Returns:
        One row per finished training: `placement`, `note` (its name, if it has one), `estimate`
        (nan if the search did not evaluate it), `alone` (accuracy of the network trained alone),
        `kind` (`verified` or `retrained`) and `seed`.
    """
    trainings = [*_verified(run), *_retrained(run)]
    if not trainings:
        empty: pd.DataFrame = pd.DataFrame(columns=COLUMNS)
        return empty
    estimates = run.frame()[["placement", "note", "accuracy"]]
    estimates = estimates.rename(columns={"accuracy": "estimate"})
    frame = pd.DataFrame(trainings).merge(estimates, how="left", on="placement")
    agreement: pd.DataFrame = frame.fillna({"note": ""})[COLUMNS]
    return agreement


def _verified(run: Run) -> Iterator[dict[str, Any]]:
    """Read the short trainings after a search; they are tested on its own images."""
    for trial in read_trials(run.verified_file, run.space, run.score):
        if trial.accuracy is not None:
            row = {"placement": str(trial.placement), "alone": trial.accuracy}
            yield row | {"kind": "verified", "seed": run.fields["seed"]}


def _retrained(run: Run) -> Iterator[dict[str, Any]]:
    """Read the full trainings by any recipe; they are tested on the test split."""
    for training in run.trainings():
        metrics = training.read_metrics()
        assert metrics is not None, "Run.trainings lists finished trainings only"
        row = {"placement": metrics["placement"], "alone": metrics["test_accuracy"]}
        yield row | {"kind": "retrained", "seed": metrics["seed"]}


def rank_correlations(frame: pd.DataFrame) -> dict[str, float]:
    """Return Kendall's tau of estimates and mean accuracies, by kind of training.

    Args:
        frame: One row per training, as `agreement_frame` returns it.

    Returns:
        A value in [-1, 1] for each kind with at least three placements; accuracies of several
        seeds are averaged first.
    """
    from scipy.stats import kendalltau  # takes a second to import

    correlations = {}
    for kind, part in frame.dropna(subset=["estimate", "alone"]).groupby("kind"):
        means = part.groupby("placement")[["estimate", "alone"]].mean()
        if len(means) >= MIN_PLACEMENTS_TO_RANK:
            tau = kendalltau(means["estimate"], means["alone"]).statistic
            correlations[str(kind)] = float(tau)
    return correlations
