"""Which sites matter: how often a front uses each, and how accuracy differs with attachments there.

An effect is a coefficient of a linear model of accuracy on all attachments. The model is fitted to
the trials, with the usual 95 % interval. Effects describe the trials and prove no cause: the
searcher chose the trials, the weights are shared, and a linear model does not see sites that only
work together.
"""

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ean_search.core.space import Space

CONFIDENCE_LEVEL = 0.95
MIN_RELATIVE_SPREAD = 1e-6  # of the trials in a direction, as a share of the largest spread
MIN_TRIALS_TO_FIT = 3


def site_frame(frame: pd.DataFrame, front: pd.DataFrame, space: Space) -> pd.DataFrame:
    """Return how often a front uses each attention at each site, and the effect of that.

    Args:
        frame: One row per trial, as `Run.frame` returns it; trials over a limit count, too.
        front: The members of the front, rows of the same frame.
        space: The space of the trials.

    Returns:
        One row per site and attention: `site`, `stage`, `attention`, `choice`, `front_share` (of
        the front's members), `trials` (that attach it there), `effect` (on accuracy, in [-1, 1]),
        and `low` and `high`, the ends of its 95 % interval. What the trials cannot tell is nan.
    """
    cells = [(site, k) for site in range(space.sites) for k in range(1, space.choices)]
    evaluated = frame[frame["accuracy"].notna() & frame["status"].isin(("done", "infeasible"))]
    attached = _attached(evaluated, cells)
    effects, half_intervals = fit_effects(attached, evaluated["accuracy"].to_numpy(float))
    columns = {
        "site": [site for site, _ in cells],
        "stage": [space.stage_of_site[site] for site, _ in cells],
        "attention": [space.attention[k - 1].name for _, k in cells],
        "choice": [k for _, k in cells],
        "front_share": _attached(front, cells).mean(axis=0) if len(front) else np.nan,
        "trials": attached.sum(axis=0).astype(int),
        "effect": effects,
        "low": effects - half_intervals,
        "high": effects + half_intervals,
    }
    sites: pd.DataFrame = pd.DataFrame(columns)
    return sites


def _attached(frame: pd.DataFrame, cells: list[tuple[int, int]]) -> np.ndarray:
    """Return 1 where a trial attaches a cell's choice at its site, else 0: (trials, cells)."""
    choices = {site: frame[f"site{site}"].to_numpy() for site, _ in cells}
    return np.column_stack([choices[site] == k for site, k in cells]).astype(float)


def fit_effects(inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit a linear model by least squares.

    Args:
        inputs: (trials, inputs).
        targets: (trials,).

    Returns:
        The weights and half of their intervals, (inputs,) each; nan where the trials do not
        determine a weight.
    """
    undetermined = np.full(inputs.shape[1], np.nan)
    if len(inputs) < MIN_TRIALS_TO_FIT:
        return undetermined, undetermined
    centred, residual = inputs - inputs.mean(axis=0), targets - targets.mean()
    _, spreads, directions = np.linalg.svd(centred, full_matrices=False)
    kept = spreads > MIN_RELATIVE_SPREAD * max(spreads.max(), MIN_RELATIVE_SPREAD)
    degrees_of_freedom = len(inputs) - 1 - int(kept.sum())
    if degrees_of_freedom < 1:
        return undetermined, undetermined
    inverse = (directions[kept].T / spreads[kept] ** 2) @ directions[kept]
    weights = inverse @ centred.T @ residual
    variance = ((residual - centred @ weights) ** 2).sum() / degrees_of_freedom
    quantile = stdtrit(degrees_of_freedom, (1 + CONFIDENCE_LEVEL) / 2)
    half_intervals = quantile * np.sqrt(variance * np.diag(inverse))
    # A weight is determined if its own direction lies within those that the trials vary in.
    determined = (directions[kept] ** 2).sum(axis=0) > 1 - 1e-6
    return np.where(determined, weights, np.nan), np.where(determined, half_intervals, np.nan)
