"""Users see the score that they gave, in its own units."""

import pandas as pd

from ean_search.analysis.score_names import with_score_names
from ean_search.core.score import ACCURACY, Score


def test_the_column_has_the_name_and_the_values_of_the_score():
    frame = pd.DataFrame({"placement": ["0", "1"], "accuracy": [0.25, None]})
    error = Score(name="error", maximize=False, low=0, high=1)
    named = with_score_names(frame, error)
    assert list(named) == ["placement", "error"]
    assert named.error[0] == 0.75
    assert named.error.isna()[1]
    assert with_score_names(frame, ACCURACY).accuracy[0] == 0.25
