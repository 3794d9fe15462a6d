"""A search space and the placements in it, as values; knows nothing of networks.

A placement is one integer a site: 0 leaves the backbone as it is, k attaches the space's k-th
attention. Its text form goes stage by stage, `100-1011-010011-011`, and is the same everywhere.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

import ean_search.search_spaces as search_spaces
from ean_search.utils.config import FrozenConfig, parse_fields, read_yaml
from ean_search.utils.errors import UserError, unknown_name

SHIPPED = Path(search_spaces.__file__).parent
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Placement:
    """Which attention each site carries, 0 for none."""

    choices: tuple[int, ...]
    stages: tuple[int, ...]

    def __str__(self) -> str:
        digits = iter(self.choices)
        return "-".join("".join(DIGITS[next(digits)] for _ in range(n)) for n in self.stages)

    def __len__(self) -> int:
        return len(self.choices)

    @property
    def attached(self) -> int:
        """Count the sites that carry an attention."""
        return sum(choice > 0 for choice in self.choices)


class AttentionChoice(FrozenConfig):
    """One attention that a site may holder: its name and the options it is built with."""

    name: str
    options: dict[str, Any] = {}


class Space(FrozenConfig):
    """A backbone, the attentions its sites may carry, and how sites share them."""

    name: str
    backbone: str
    backbone_args: dict[str, Any] = {}
    attention: tuple[AttentionChoice, ...] = Field(min_length=1, max_length=len(DIGITS) - 1)
    position: Literal["auto", "residual", "block", "qkv", "mixer"] = "auto"
    sharing: Literal["stage", "whole", "none"] = "stage"
    unit_gate: bool = False
    image_size: int = Field(default=224, ge=8)
    stage_length: int | None = Field(default=None, ge=1)  # stages are cut into such pieces
    stages: tuple[int, ...] = ()
    placements: dict[str, str] = {}

    @field_validator("attention", mode="before")
    @classmethod
    def _read_attention(cls, value: Any) -> Any:
        entries = value if isinstance(value, list | tuple) else [value]
        return [_read_choice(entry) for entry in entries]

    @property
    def sites(self) -> int:
        """Count the sites."""
        if not self.stages:
            raise UserError(
                f"the sites of space {self.name!r} are not known yet: call probe(space)"
            )
        return sum(self.stages)

    @property
    def choices(self) -> int:
        """Count what a site can be, none included."""
        return len(self.attention) + 1

    @property
    def size(self) -> int:
        """Count the placements."""
        return self.choices**self.sites

    def placement(self, choices: Any) -> Placement:
        """Make a placement of one integer a site."""
        values, count = tuple(int(choice) for choice in choices), self.choices
        if len(values) != self.sites:
            raise UserError(f"expected {self.sites} sites in {self.name!r}, got {len(values)}")
        bad = next((v for v in values if not 0 <= v < count), None)
        if bad is not None:
            raise UserError(f"expected choices 0 to {count - 1} in {self.name!r}, got {bad}")
        return Placement(values, self.stages)

    def parse(self, text: str) -> Placement:
        """Read a placement from its text form, or from its name in this space."""
        if text in self.named:
            return self.named[text]
        bare = text.strip().lower()
        digits = bare.replace("-", "")
        if not digits or any(d not in DIGITS[: self.choices] for d in digits):
            raise UserError(
                f"expected a placement like {self._filled(1)} (digits 0 to "
                f"{DIGITS[self.choices - 1]}) or one of {', '.join(self.named)}; got {text!r}"
            )
        parts = tuple(len(part) for part in bare.split("-"))
        if "-" in bare and parts != self.stages:
            raise UserError(
                f"expected stages of {'-'.join(map(str, self.stages))} sites in {self.name!r}, "
                f"got {'-'.join(map(str, parts))} in {text!r}"
            )
        return self.placement(DIGITS.index(d) for d in digits)

    def sample(self, rng: np.random.Generator, attached: int | None = None) -> Placement:
        """Draw a placement: its count of attachments evenly, or as given, then its sites."""
        count = int(rng.integers(self.sites + 1)) if attached is None else attached
        choices = np.zeros(self.sites, dtype=int)
        where = rng.choice(self.sites, size=count, replace=False)
        choices[where] = rng.integers(1, self.choices, size=count)
        return self.placement(choices)

    def enumerate(self) -> "list[Placement]":
        """List every placement, the last site changing fastest."""
        shape = (self.choices,) * self.sites
        return [self.placement(np.unravel_index(i, shape)) for i in range(self.size)]

    @cached_property
    def named(self) -> dict[str, Placement]:
        """Map the placements everybody asks for, and this space's own, from their names."""
        ends = {sum(self.stages[: s + 1]) - 1 for s in range(len(self.stages))}
        found = {"none": self._filled(0), "all": self._filled(1)}
        if len(self.attention) > 1:
            found |= {f"all-{a.name}": self._filled(k) for k, a in enumerate(self.attention, 1)}
        found["every-other"] = self.placement((i + 1) % 2 for i in range(self.sites))
        found["last-per-stage"] = self.placement(i in ends for i in range(self.sites))
        # Published placements are strings of the published depth: they read as such, or not at all.
        for name, text in self.placements.items():
            digits = text.replace("-", "")
            found[name] = self.placement(DIGITS.index(digit) for digit in digits)
        return found

    def _filled(self, choice: int) -> Placement:
        return self.placement([choice] * self.sites)

    @property
    def groups(self) -> list[int]:
        """Number the stage of every site."""
        return [stage for stage, count in enumerate(self.stages) for _ in range(count)]

    @property
    def bits(self) -> float:
        """Give the size as a power of two."""
        return self.sites * math.log2(self.choices)


def _read_choice(entry: Any) -> Any:
    """Accept `se`, `{name: dia, reduction: 4}` and a finished choice alike."""
    if isinstance(entry, str):
        return {"name": entry}
    if isinstance(entry, dict) and "options" not in entry:
        return {
            "name": entry.get("name"),
            "options": {k: v for k, v in entry.items() if k != "name"},
        }
    return entry


def shipped_spaces() -> list[str]:
    """Name the spaces that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load_space(source: str | Path, **changes: Any) -> Space:
    """Read a space by its shipped name or from a YAML file, with fields changed on request."""
    path = Path(source)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise UserError(f"no space file at {path}")
    elif str(source) in shipped_spaces():
        path = SHIPPED / f"{source}.yaml"
    else:
        raise unknown_name("space", str(source), shipped_spaces())
    fields = read_yaml(path)
    if isinstance(fields, dict):
        fields = {"name": path.stem, **fields, **changes}
    space = parse_fields(Space, fields, f"space {source}")
    return _without_strange_names(space) if "attention" in changes else space


def _without_strange_names(space: Space) -> Space:
    """Leave out named placements that want more attentions than were put in the file's place."""
    digits = DIGITS[: space.choices] + "-"
    known = {name: text for name, text in space.placements.items() if set(text) <= set(digits)}
    return space.model_copy(update={"placements": known})
