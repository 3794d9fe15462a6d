"""What a search measures of placements, as a value: a score's name, direction and range.

Inside a search there are worths, of which more is better: a score with a range becomes the share of
its range, as an accuracy is one; a score without a range is divided by the size of a reference, the
score of the network as it was given.
"""

from pydantic import Field, field_validator, model_validator

from ean_search.utils.config import FrozenConfig
from ean_search.utils.errors import UserError

# Fields of trials and columns of their tables, which a score cannot be called.
RESERVED = (
    "number step placement status reward cost seconds note standard_error worth sites params macs "
    "flops latency_ms activation_bytes latency activations"
).split()
WORTH_OF_NOTHING = -1000.0  # of a placement without a score, where the range is not known
SIGNIFICANT_DIGITS = 4


class Score(FrozenConfig):
    """A score of networks.

    Attributes:
        name: What tables, axes and objectives call it.
        maximize: Whether more is better.
        low: The lowest value that it can have; None: not known.
        high: The highest value; known if and only if `low` is.
        reference: The size by which worths are divided where there is no range.

    Example:
        >>> Score(name="mean squared error", maximize=False, low=None, high=None).worth(3.0)
        -3.0
    """

    name: str = Field(default="accuracy", min_length=1, max_length=60)
    maximize: bool = True
    low: float | None = 0.0
    high: float | None = 1.0
    reference: float = Field(default=1.0, gt=0)

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if name in RESERVED or not name.strip() or "\n" in name:
            raise UserError(f"a score cannot be called {name!r}")
        return name.strip()

    @model_validator(mode="after")
    def _check_range(self) -> "Score":
        known = [bound for bound in (self.low, self.high) if bound is not None]
        if len(known) == 1 or (known and known[0] >= known[1]):
            raise UserError(f"the range of {self.name}: expected two numbers, the lower one first")
        return self

    @property
    def is_share(self) -> bool:
        """Whether it lies between 0 and 1, and is written in percent."""
        return (self.low, self.high) == (0.0, 1.0)

    @property
    def is_worth(self) -> bool:
        """Whether values and worths are the same numbers."""
        return self.is_share and self.maximize

    @property
    def column(self) -> str:
        """The name with its unit, for columns of tables."""
        return f"{self.name} %" if self.is_share else self.name

    @property
    def lowest_worth(self) -> float:
        """A worth that no network is below; a very low one if the range is not known."""
        return WORTH_OF_NOTHING if self.low is None else 0.0

    @property
    def _unit(self) -> float:
        """What one unit of worth is in units of the score."""
        if self.low is None or self.high is None:
            return self.reference
        return self.high - self.low

    @property
    def _zero(self) -> float:
        """The value whose worth is zero."""
        if self.low is None or self.high is None:
            return 0.0
        return self.low if self.maximize else self.high

    def worth(self, value: float) -> float:
        """Return how good a value is: more is better."""
        return value if self.is_worth else self._sign * (value - self._zero) / self._unit

    def value(self, worth: float) -> float:
        """Return the value that has a worth."""
        return worth if self.is_worth else self._zero + self._sign * self._unit * worth

    @property
    def _sign(self) -> int:
        return 1 if self.maximize else -1

    def holds(self, value: float) -> bool:
        """Say whether a value is within the range; True if there is none."""
        return self.low is None or self.high is None or self.low <= value <= self.high

    @property
    def percent(self) -> float:
        """The factor by which values are multiplied before they are written or drawn."""
        return 100.0 if self.is_share else 1.0

    def drawn(self, worth: float) -> float:
        """Return a worth as axes show it: in percent, or in units of the score."""
        return self.percent * self.value(worth)

    def size(self, difference: float) -> float:
        """Return a difference of worths as axes show it, without a sign of its own."""
        return difference * self.percent * self._unit

    def worth_size(self, difference: float) -> float:
        """Return a difference of values as one of worths, without a sign of its own."""
        return difference / self._unit

    @property
    def points(self) -> str:
        """What a hundredth of worth is called, the unit of differences."""
        if self.is_share:
            return "points"
        return "% of the range" if self.low is not None else f"% of the given network's {self.name}"

    def describe(self, worth: float, decimals: int = 2) -> str:
        """Write a worth as the value that has it, with its unit; decimals are those of percent."""
        number = self.describe_number(worth, decimals)
        return f"{number} %" if self.is_share else number

    def describe_number(self, worth: float, decimals: int = 2) -> str:
        """Write a worth as the value that has it, without its unit."""
        drawn = self.drawn(worth)
        return f"{drawn:.{decimals}f}" if self.is_share else f"{drawn:.{SIGNIFICANT_DIGITS}g}"


ACCURACY = Score()
