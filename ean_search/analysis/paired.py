"""Differences between placements that answered the same images, with their intervals.

Placements tend to be right and wrong on the same images, so the differences image by image are
much surer than the two accuracies are.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from ean_search.analysis.significance import LEVEL


@dataclass(frozen=True)
class PairedDifference:
    """The difference of two accuracies on the same images.

    Attributes:
        difference: The first accuracy minus the second.
        standard_error: Its standard error, over images; what another training would change is not
            part of it.
        low: The lower bound of its 95 % interval.
        high: The upper bound.
        p_value: The probability of a difference at least as large if there were none.
    """

    difference: float
    standard_error: float
    low: float
    high: float
    p_value: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval does not contain 0."""
        return self.low > 0 or self.high < 0


def compare_answers(one: np.ndarray, others: np.ndarray) -> PairedDifference:
    """Compare a placement with another one, or with the mean of several.

    For two placements the test is McNemar's, with one more image that speaks for each of them:
    placements that agree on all images so far may still differ.

    Args:
        one: Whether the first placement is right on each image, (images,).
        others: The same for the others, (images,) or (placements, images).
    """
    gaps = one - np.atleast_2d(others).mean(axis=0)
    images, difference = len(gaps), float(gaps.mean())
    error = float(np.sqrt((gaps.var() * images + 2) / (images + 2) / images))
    half = float(norm.ppf(1 - LEVEL / 2)) * error
    p_value = float(2 * norm.sf(abs(difference) / error))
    return PairedDifference(difference, error, difference - half, difference + half, p_value)
