"""The goal of a search: a reward made of accuracy and costs, and hard limits on costs.

An objective is a short string, such as `accuracy - 0.05 latency - 0.01 sites`. Accuracy lies in
[0, 1]; another score takes its place by name, as its worth (see core/score.py). A cost is
normalised: 0 for the placement `none` and 1 for `all`. The published reward of EAN, top-1 % + 2 x
(share of unattached sites) - 54, is therefore `accuracy - 0.02 sites`, in another unit and without
its constant.

Limits are a short string too, such as `latency < 1.10x, sites <= 8`. A limit is absolute, or, with
an x, a multiple of the cost of the plain backbone; in a search for what of a user's network can go,
of the network as it was given.
"""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from ean_search.core.live_names import given_placement
from ean_search.core.score import ACCURACY, Score
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Cost, axis_field
from ean_search.utils.errors import UserError, shorten

NUMBER = r"\d+(?:\.\d*)?(?:e-?\d+)?|\.\d+"
MAX_WEIGHT = 1e6
TERM = re.compile(rf"-\s*(?:({NUMBER})\s*\*?\s*)?([a-z_]+)")
LIMIT = re.compile(rf"([a-z_]+)\s*(<=|<|>=|>)\s*({NUMBER})(x?)")
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Limit:
    """An upper or lower bound on one cost axis.

    Attributes:
        axis: A field of `Cost`.
        sign: `<`, `<=`, `>` or `>=`.
        value: The bound, in the unit of the axis or as a multiple of the plain backbone's cost.
        relative: Whether `value` is such a multiple.
    """

    axis: str
    sign: str
    value: float
    relative: bool

    def __str__(self) -> str:
        return f"{self.axis} {self.sign} {self.value:g}{'x' * self.relative}"

    def holds(self, cost: Cost, plain: Cost) -> bool:
        """Tell whether a cost keeps the limit.

        Args:
            cost: The cost of a placement.
            plain: The cost of the backbone without attention.

        Raises:
            UserError: If the limit is relative and the plain backbone's cost on its axis is 0.
        """
        return bool(COMPARE[self.sign](cost.on(self.axis), self.bound(plain)))

    def excess(self, cost: Cost, plain: Cost) -> float:
        """Return by how much a cost breaks the limit, as a share of the bound; 0 if it keeps it.

        Args:
            cost: The cost of a placement.
            plain: The cost of the backbone without attention.
        """
        if self.holds(cost, plain):
            return 0.0
        bound = self.bound(plain)
        return abs(cost.on(self.axis) - bound) / max(abs(bound), 1.0)

    def bound(self, plain: Cost) -> float:
        """Return the bound in the unit of its axis.

        Args:
            plain: The cost of the backbone without attention.

        Raises:
            UserError: If the limit is relative and the plain backbone's cost on its axis is 0.
        """
        if self.relative and not plain.on(self.axis):
            raise UserError(f"the plain backbone has 0 {self.axis}: give that limit without an x")
        return self.value * (plain.on(self.axis) if self.relative else 1.0)


@dataclass(frozen=True)
class Objective:
    """The weights of the normalised costs in the reward, the hard limits, and what is measured.

    Example:
        >>> objective = Objective.parse("accuracy - 0.05 latency", "sites <= 8")
        >>> objective.weights
        (('latency_ms', 0.05),)
    """

    weights: tuple[tuple[str, float], ...] = ()  # (axis, weight)
    limits: tuple[Limit, ...] = ()
    score: Score = ACCURACY

    @classmethod
    def parse(
        cls, reward: str | None = None, limits: str = "", score: Score = ACCURACY
    ) -> "Objective":
        """Read an objective from its text form.

        Args:
            reward: The score minus weighted costs, such as "accuracy - 0.05 latency - 0.01 sites";
                None: the score alone.
            limits: Limits separated by commas, such as "latency < 1.10x, sites <= 8".
            score: What is measured.

        Returns:
            The objective.

        Raises:
            UserError: If a text has another form or names an unknown cost axis.
        """
        weights = _parse_reward(score.name if reward is None else reward, score.name)
        return cls(weights, _parse_limits(limits), score)


@dataclass(frozen=True)
class Problem:
    """Everything that a searcher may know: the space, the objective, and the costs of placements.

    Attributes:
        space: The search space.
        objective: The reward's weights, and the limits.
        price: Returns the cost of a placement; fast, as nothing is measured or trained for it.
    """

    space: Space
    objective: Objective
    price: Callable[[Placement], Cost]

    @cached_property
    def plain(self) -> Cost:
        """Return the cost of the backbone without attention."""
        return self.price(self.space.named["none"])

    @cached_property
    def given(self) -> Cost:
        """Return the cost that limits with an x are multiples of; see `given_placement`."""
        return self.price(self.space.named[given_placement(self.space)])

    @cached_property
    def full(self) -> Cost:
        """Return the cost of attention at every site."""
        return self.price(self.space.named["all"])

    def reward(self, accuracy: float, cost: Cost) -> float:
        """Return the reward of an accuracy at a cost.

        Args:
            accuracy: In [0, 1]; of another score, its worth.
            cost: The cost of the placement that has this accuracy.

        Returns:
            The accuracy minus the weighted, normalised costs.
        """
        plain, full = self.plain, self.full
        return accuracy - sum(
            weight * _share(cost.on(axis), plain.on(axis), full.on(axis))
            for axis, weight in self.objective.weights
        )

    def feasible(self, cost: Cost) -> bool:
        """Tell whether a cost keeps all limits."""
        return all(limit.holds(cost, self.given) for limit in self.objective.limits)

    def penalty(self, cost: Cost) -> float:
        """Return the reward of a placement without a valid accuracy.

        Args:
            cost: The cost of the placement.

        Returns:
            A reward below that of any accuracy, and the lower the more the limits are broken.
        """
        lowest = self.objective.score.lowest_worth - 1.0
        floor = lowest - sum(weight for _, weight in self.objective.weights)
        return floor - sum(limit.excess(cost, self.given) for limit in self.objective.limits)


def _share(value: float, plain: float, full: float) -> float:
    return (value - plain) / (full - plain) if full != plain else 0.0


def _parse_reward(text: str, name: str) -> tuple[tuple[str, float], ...]:
    body = text.strip()
    terms = body.removeprefix(name).strip()
    weighted_axes = TERM.findall(terms)
    if not body.startswith(name) or TERM.sub("", terms).strip():
        raise UserError(f"expected an objective like '{name} - 0.05 latency', got {shorten(text)}")
    weights = tuple((axis_field(axis), float(weight or 1)) for weight, axis in weighted_axes)
    if any(weight > MAX_WEIGHT for _, weight in weights):
        raise UserError(f"expected weights of at most {MAX_WEIGHT:g}, got {shorten(text)}")
    return weights


def _parse_limits(text: str) -> tuple[Limit, ...]:
    limits = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = LIMIT.fullmatch(part)
        if not match:
            raise UserError(
                f"expected a limit like 'latency < 1.10x' or 'sites <= 8', got {shorten(part)}"
            )
        axis, sign, value, times = match.groups()
        if not math.isfinite(float(value)):
            raise UserError(f"expected a limit that is a finite number, got {shorten(part)}")
        limits.append(Limit(axis_field(axis), sign, float(value), bool(times)))
    return tuple(limits)
