"""Trials as a table, with costs and sites in columns of their own."""

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter

import pandas as pd

from ean_search.core.trial import Cost, Trial

COST_FIELDS = tuple(field.name for field in fields(Cost))
TRIAL_FIELDS = ("number", "step", "status", "accuracy", "reward", "seconds", "note")
TRIAL_COLUMNS = (*TRIAL_FIELDS[:2], "placement", *TRIAL_FIELDS[2:], *COST_FIELDS)


def trial_frame(trials: Sequence[Trial], sites: int) -> pd.DataFrame:
    """Return one row per trial.

    Args:
        trials: The trials, in the order of the rows.
        sites: The number of sites of the space.

    Returns:
        `TRIAL_COLUMNS`, the placement as text, and a column `site0`, `site1`, ... per site.
    """
    trial_values, cost_values = attrgetter(*TRIAL_FIELDS), attrgetter(*COST_FIELDS)
    rows = [
        (
            *trial_values(trial),
            *cost_values(trial.cost),
            str(trial.placement),
            *trial.placement.choices,
        )
        for trial in trials
    ]
    site_columns = [f"site{site}" for site in range(sites)]
    columns = [*TRIAL_FIELDS, *COST_FIELDS, "placement", *site_columns]
    frame = pd.DataFrame(rows, columns=columns)
    ordered: pd.DataFrame = frame[[*TRIAL_COLUMNS, *site_columns]]
    return ordered
