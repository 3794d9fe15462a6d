"""Tables for users: the column of the score has its name, and holds its values."""

import pandas as pd

from ean_search.core.score import ACCURACY, Score


def with_score_names(frame: pd.DataFrame, score: Score) -> pd.DataFrame:
    """Return a table of placements with the values of a score in place of worths.

    Args:
        frame: With a column `accuracy`, such as `Run.frame` returns it.
        score: What was measured; the column gets its name.
    """
    values = frame["accuracy"].map(score.value, na_action="ignore")
    return frame.assign(accuracy=values).rename(columns={ACCURACY.name: score.name})
