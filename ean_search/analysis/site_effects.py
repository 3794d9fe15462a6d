"""Which sites matter: how often a front uses each, and what attaching there went with.

An effect is a coefficient of a linear model of accuracy on all attachments, fitted to the trials,
with the usual 95 % interval. It describes the trials and proves no cause: the searcher chose them,
the weights are shared, and a sum knows nothing of sites that work only together. Imports no torch.
"""

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ean_search.core.space import Space

LEVEL = 0.95
LEAST = 1e-6  # a direction the trials do not vary in, as a share of the one they vary in most


def site_frame(frame: pd.DataFrame, front: pd.DataFrame, space: Space) -> pd.DataFrame:
    """Return a row an attention and site: its share of the front, and its effect with interval."""
    cells = [(site, k) for site in range(space.sites) for k in range(1, space.choices)]
    measured = frame[frame.accuracy.notna() & frame.status.isin(("done", "infeasible"))]
    effects, errors = fit_effects(_attached(measured, cells), measured.accuracy.to_numpy(float))
    return pd.DataFrame(
        {
            "site": [site for site, _ in cells],
            "stage": [space.groups[site] for site, _ in cells],
            "attention": [space.attention[k - 1].name for _, k in cells],
            "choice": [k for _, k in cells],
            "front_share": _attached(front, cells).mean(axis=0) if len(front) else np.nan,
            "trials": _attached(measured, cells).sum(axis=0).astype(int),
            "effect": effects,
            "low": effects - errors,
            "high": effects + errors,
        }
    )


def _attached(frame: pd.DataFrame, cells: list[tuple[int, int]]) -> np.ndarray:
    """Mark which attentions trials carry where: (trials, cells)."""
    sites = {site: frame[f"site{site}"].to_numpy() for site, _ in cells}
    return np.column_stack([sites[site] == k for site, k in cells]).astype(float)


def fit_effects(inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit a linear model; give weights and half intervals, nan where the trials cannot say."""
    nothing = np.full(inputs.shape[1], np.nan)
    if len(inputs) < 3:
        return nothing, nothing
    moved, rest = inputs - inputs.mean(axis=0), targets - targets.mean()
    _, sizes, directions = np.linalg.svd(moved, full_matrices=False)
    seen = sizes > LEAST * max(sizes.max(), LEAST)
    free = len(inputs) - 1 - int(seen.sum())
    if free < 1:
        return nothing, nothing
    inverse = (directions[seen].T / sizes[seen] ** 2) @ directions[seen]
    weights = inverse @ moved.T @ rest
    variance = ((rest - moved @ weights) ** 2).sum() / free
    errors = stdtrit(free, (1 + LEVEL) / 2) * np.sqrt(variance * np.diag(inverse))
    # A weight is known if its own direction lies within those that the trials vary in.
    known = (directions[seen] ** 2).sum(axis=0) > 1 - 1e-6
    return np.where(known, weights, np.nan), np.where(known, errors, np.nan)
