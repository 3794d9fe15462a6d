"""Whether the accuracies of a run say anything: beside chance, and beside the plain network.

Accuracies are shares of correct answers to the same few images, and the best of many trials is high
by luck alone. The tests here say when a run cannot be told from such luck. That a run passes them
does not mean that its placements are good.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import betainc

LEVEL = 0.05  # the probability of taking luck for more than that
Z_VALUE = 1.96  # standard errors on either side of a 95 % interval


def standard_error(accuracy: float, images: int) -> float:
    """Return the standard error of an accuracy that was measured on so many images."""
    return math.sqrt(accuracy * (1 - accuracy) / images)


def difference_error(one: float, other: float, images: int) -> float:
    """Return the approximate standard error of the difference of two accuracies.

    It takes them for independent. They are of the same images, on which networks tend to be right
    and wrong together, so the real error is mostly smaller.

    Args:
        one: An accuracy.
        other: Another one.
        images: The number of images that each of them was measured on.
    """
    return math.hypot(standard_error(one, images), standard_error(other, images))


def chance_bound(classes: int, images: int, trials: int = 1, level: float = LEVEL) -> float:
    """Return the accuracy that guessing hardly ever reaches, not even in the best of many trials.

    The bound is that of the binomial distribution. The level is divided by the number of trials
    (Bonferroni).

    Args:
        classes: The number of classes, each with the same number of images.
        images: The number of images.
        trials: How many accuracies there are, the highest of which is compared with the bound.
        level: The probability that one of the trials reaches the bound by guessing.

    Returns:
        The accuracy; more than 1 if not even perfect answers are beyond chance.
    """
    counts = np.arange(1, images + 1)
    # The probability of at least so many correct answers.
    tails = betainc(counts, images - counts + 1, 1 / classes)
    return int(1 + np.sum(tails > level / trials)) / images


@dataclass(frozen=True)
class FrontMember:
    """A placement of the front beside the plain network.

    Attributes:
        placement: The placement.
        difference: Its accuracy minus that of `none`.
        standard_error: The standard error of the difference.
        differs: Whether the difference is positive and cannot be explained by the error.
    """

    placement: str
    difference: float
    standard_error: float
    differs: bool


@dataclass(frozen=True)
class Significance:
    """What the accuracies of a run can say.

    Attributes:
        classes: The number of classes.
        images: The number of images that accuracies are measured on.
        trials: The number of placements with an accuracy.
        highest_accuracy: The highest of their accuracies.
        chance: The accuracy of guessing.
        chance_bound: What the highest accuracy of as many guesses hardly ever reaches.
        above_chance: Whether the highest accuracy reaches that bound.
        front: The members of the front except `none`, beside `none`.
        differs_from_none: Whether any of them is more accurate than `none`, beyond the error.
        level: The probability of an error of these tests. That of `front` is approximate, and for
            each member alone.
        paired: Whether the differences to `none` are of the same images, image by image; otherwise
            their errors take the two accuracies for independent.
    """

    classes: int
    images: int
    trials: int
    highest_accuracy: float
    chance: float
    chance_bound: float
    above_chance: bool
    front: tuple[FrontMember, ...]
    differs_from_none: bool
    level: float = LEVEL
    paired: bool = False

    def to_fields(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self) | {"front": [asdict(member) for member in self.front]}


def judge(
    accuracies: Sequence[float],
    gains: Mapping[str, tuple[float, float]],
    *,
    classes: int,
    images: int,
    paired: bool = False,
) -> Significance:
    """Judge what the accuracies of a run can say.

    Args:
        accuracies: Those of all trials that were evaluated to the end, at least one.
        gains: The members of the front except `none`: their accuracies minus that of `none`, and
            the standard errors of these differences.
        classes: The number of classes.
        images: The number of images that the accuracies were measured on.
        paired: Whether the gains are of the same images, image by image.
    """
    members = tuple(
        FrontMember(placement, gain, error, gain > Z_VALUE * error)
        for placement, (gain, error) in gains.items()
    )
    bound, highest = chance_bound(classes, images, len(accuracies)), max(accuracies)
    return Significance(
        classes=classes,
        images=images,
        trials=len(accuracies),
        highest_accuracy=highest,
        chance=1 / classes,
        chance_bound=bound,
        above_chance=round(highest * images) >= round(bound * images),
        front=members,
        differs_from_none=any(member.differs for member in members),
        paired=paired,
    )
