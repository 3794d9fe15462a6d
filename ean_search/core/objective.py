"""What a search is after: a reward made of accuracy and cost, and hard limits.

An objective is a short string, `accuracy - 0.05 latency - 0.01 sites`. Accuracy lies in [0, 1];
a cost is taken as its share of what attaching everywhere adds: 0 for `none`, 1 for `all`. So the
published reward of EAN, top-1 % + 2 x (share of unattached sites) - 54, is
`accuracy - 0.02 sites` in another unit and without its constant.

A limit is a short string too, `latency < 1.10x, sites <= 8`: absolute, or with an x a multiple of
the plain backbone.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from ean_search.core.space import Placement, Space
from ean_search.core.trial import Cost, axis_field
from ean_search.utils.errors import UserError

NUMBER = r"\d+(?:\.\d*)?(?:e-?\d+)?|\.\d+"
TERM = re.compile(rf"-\s*(?:({NUMBER})\s*\*?\s*)?([a-z_]+)")
LIMIT = re.compile(rf"([a-z_]+)\s*(<=|<|>=|>)\s*({NUMBER})(x?)")
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Limit:
    """One bound on a cost axis."""

    axis: str
    sign: str
    value: float
    relative: bool

    def holds(self, cost: Cost, plain: Cost) -> bool:
        """Say whether a cost keeps the bound."""
        return COMPARE[self.sign](cost.on(self.axis), self._bound(plain))

    def excess(self, cost: Cost, plain: Cost) -> float:
        """Return by what share of itself the bound is broken, 0 if it is kept."""
        if self.holds(cost, plain):
            return 0.0
        bound = self._bound(plain)
        return abs(cost.on(self.axis) - bound) / max(abs(bound), 1.0)

    def _bound(self, plain: Cost) -> float:
        if self.relative and not plain.on(self.axis):
            raise UserError(f"the plain backbone has 0 {self.axis}: give that limit without an x")
        return self.value * (plain.on(self.axis) if self.relative else 1.0)


@dataclass(frozen=True)
class Objective:
    """Weights on normalised costs, and hard limits."""

    weights: tuple[tuple[str, float], ...] = ()
    limits: tuple[Limit, ...] = ()

    @classmethod
    def parse(cls, reward: str = "accuracy", limits: str = "") -> "Objective":
        """Read an objective from its two short strings."""
        return cls(_parse_reward(reward), _parse_limits(limits))


@dataclass(frozen=True)
class Problem:
    """What a searcher may know: the space, what is wanted, and what placements cost."""

    space: Space
    objective: Objective
    price: Callable[[Placement], Cost]

    @cached_property
    def plain(self) -> Cost:
        """Price the backbone without attention."""
        return self.price(self.space.named["none"])

    @cached_property
    def full(self) -> Cost:
        """Price attention at every site."""
        return self.price(self.space.named["all"])

    def reward(self, accuracy: float, cost: Cost) -> float:
        """Value an accuracy at a cost."""
        plain, full = self.plain, self.full
        return accuracy - sum(
            weight * _share(cost.on(axis), plain.on(axis), full.on(axis))
            for axis, weight in self.objective.weights
        )

    def feasible(self, cost: Cost) -> bool:
        """Say whether a cost keeps all limits."""
        return all(limit.holds(cost, self.plain) for limit in self.objective.limits)

    def penalty(self, cost: Cost) -> float:
        """Value what was not measured: below any accuracy's reward, the more a limit is broken."""
        floor = -1.0 - sum(weight for _, weight in self.objective.weights)
        return floor - sum(limit.excess(cost, self.plain) for limit in self.objective.limits)


def _share(value: float, plain: float, full: float) -> float:
    return (value - plain) / (full - plain) if full != plain else 0.0


def _parse_reward(text: str) -> tuple[tuple[str, float], ...]:
    body = text.strip()
    terms = body.removeprefix("accuracy").strip()
    found = TERM.findall(terms)
    if not body.startswith("accuracy") or TERM.sub("", terms).strip():
        raise UserError(f"expected an objective like 'accuracy - 0.05 latency', got {text!r}")
    return tuple((axis_field(axis), float(weight or 1)) for weight, axis in found)


def _parse_limits(text: str) -> tuple[Limit, ...]:
    limits = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = LIMIT.fullmatch(part)
        if not match:
            raise UserError(
                f"expected a limit like 'latency < 1.10x' or 'sites <= 8', got {part!r}"
            )
        axis, sign, value, times = match.groups()
        limits.append(Limit(axis_field(axis), sign, float(value), bool(times)))
    return tuple(limits)
