"""Search spaces and placements, as values that do not depend on networks.

A placement has one integer per site: 0 for no attention, k for the space's k-th attention. Its text
form lists the sites stage by stage, `100-1011-010011-011`. The same text form is used in logs, file
names, plots and flags.
"""

import importlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from ean_search.core.attention_choice import OWN, AttentionChoice, read_choice
from ean_search.utils.config import MAX_IMAGE_SIZE, FrozenConfig, find_yaml, list_yaml, parse_fields
from ean_search.utils.errors import UserError, shorten
from ean_search.utils.trust import PluginName
from ean_search.utils.yaml_files import read_yaml

# setup.cfg maps this package to the folder search_spaces/ at the top of the repository.
SHIPPED = Path(*importlib.import_module("ean_search.search_spaces").__path__)
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Placement:
    """The choice of every site: 0 for no attention, k for the space's k-th attention.

    `str(placement)` is its text form; `Space.parse` reads it back.

    Attributes:
        choices: One integer per site, in the order in which the sites run.
        stages: The number of sites in each stage.
    """

    choices: tuple[int, ...]
    stages: tuple[int, ...]

    def __str__(self) -> str:
        digits = iter(self.choices)
        return "-".join("".join(DIGITS[next(digits)] for _ in range(n)) for n in self.stages)

    def __len__(self) -> int:
        return len(self.choices)

    @property
    def attached(self) -> int:
        """Return the number of sites with an attention."""
        return sum(choice > 0 for choice in self.choices)

    def to_array(self) -> np.ndarray:
        """Return the choices as an array of int8, (sites,); `Space.placement` reads it back."""
        return np.array(self.choices, dtype=np.int8)


def as_placement(placement: Placement | str, sites: int) -> Placement:
    """Return a placement, or read its digits where no space is known.

    Args:
        placement: The placement, or its text, such as "1-0-1-0".
        sites: The number of its sites.

    Raises:
        UserError: If it is neither, or has another number of sites.
    """
    read = placement
    if isinstance(read, str) and read and set(read) <= set(DIGITS + "-"):
        parts = [part for part in read.split("-") if part]
        read = Placement(tuple(map(DIGITS.index, "".join(parts))), tuple(map(len, parts)))
    if not isinstance(read, Placement) or len(read) != sites:
        raise UserError(
            f"expected a placement of {sites} sites, got {placement} (names, such as all, are read "
            "by the `parse` of a space)"
        )
    return read


class Space(FrozenConfig):
    """A search space: a backbone, the attentions for its sites, and how the sites share them.

    Attributes:
        name: The name of the space.
        backbone: A timm model, a key of BACKBONES, or `module:function`.
        backbone_args: Keyword arguments of the backbone.
        attention: The attentions that a site may have; choice k is the k-th of them.
        position: Where attention is attached in a block.
        sharing: Which sites share one module: those of a stage, all (`whole`), or none.
        own_attention: Whether a site without attention keeps the module that the backbone has
            there, such as EfficientNet's own squeeze-and-excitation, or removes it. Where `own` is
            a choice, a site without attention removes it in any case.
        unit_gate: Whether gates are scaled to a mean of 1, as pretrained backbones need.
        image_size: Height and width of the input, in pixels. In a run, that of the data governs.
        stage_length: The greatest number of sites per stage; longer stages are cut.
        only: Patterns of paths of modules, such as "backbone.*": all other sites are left out.
        stages: The number of sites in each stage; empty until the backbone was probed.
        placements: Named placements of this space, as text.
    """

    name: str
    backbone: PluginName
    backbone_args: dict[str, Any] = {}
    attention: tuple[AttentionChoice, ...] = Field(min_length=1, max_length=len(DIGITS) - 1)
    position: Literal["auto", "residual", "block", "qkv", "mixer", "sublayer", "gate"] = "auto"
    sharing: Literal["stage", "whole", "none"] = "stage"
    own_attention: Literal["keep", "remove"] = "keep"
    unit_gate: bool = False
    image_size: int = Field(default=224, ge=8, le=MAX_IMAGE_SIZE)
    stage_length: int | None = Field(default=None, ge=1)
    only: tuple[str, ...] = ()
    stages: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(default=(), max_length=1000)
    placements: dict[str, str] = {}

    @field_validator("attention", mode="before")
    @classmethod
    def _read_attention(cls, value: Any) -> Any:
        entries = value if isinstance(value, list | tuple) else [value]
        return [read_choice(entry) for entry in entries]

    @field_validator("placements")
    @classmethod
    def _check_placements(cls, placements: dict[str, str]) -> dict[str, str]:
        for name, text in placements.items():
            if not set(text) <= set(DIGITS + "-"):
                raise UserError(f"expected digits, got {shorten(text)} for {shorten(name)}")
        return placements

    @property
    def sites(self) -> int:
        """Return the number of sites."""
        if not self.stages:
            raise UserError(
                f"the sites of space {self.name!r} are not known yet: call probe(space)"
            )
        return sum(self.stages)

    @property
    def choices(self) -> int:
        """Return the number of choices per site, including no attention."""
        return len(self.attention) + 1

    @property
    def has_own(self) -> bool:
        """Whether what the backbone has at a site itself is one of the choices."""
        return any(choice.name == OWN for choice in self.attention)

    @property
    def removes_own(self) -> bool:
        """Whether a site without attention loses what the backbone has there."""
        return self.has_own or self.own_attention == "remove"

    @property
    def size(self) -> int:
        """Return the number of placements."""
        return int(self.choices**self.sites)

    def placement(self, choices: Any) -> Placement:
        """Make a placement.

        Args:
            choices: An iterable of one integer per site, such as a list or an array.

        Returns:
            The placement.

        Raises:
            UserError: If there are more or fewer integers than sites, or one is out of range.
        """
        values, count = tuple(int(choice) for choice in choices), self.choices
        if len(values) != self.sites:
            raise UserError(f"expected {self.sites} sites in {self.name!r}, got {len(values)}")
        invalid = next((v for v in values if not 0 <= v < count), None)
        if invalid is not None:
            raise UserError(f"expected choices 0 to {count - 1} in {self.name!r}, got {invalid}")
        return Placement(values, self.stages)

    def parse(self, text: str | Placement) -> Placement:
        """Read a placement.

        Args:
            text: Its text form, with or without hyphens, or a key of `named`. A placement of the
                space is returned as it is.

        Returns:
            The placement.

        Raises:
            UserError: If the text is no placement of this space.
        """
        if isinstance(text, Placement):
            return self.placement(as_placement(text, self.sites).choices)
        if text in self.named:
            return self.named[text]
        stripped = text.strip().lower()
        digits = stripped.replace("-", "")
        if not digits or any(d not in DIGITS[: self.choices] for d in digits):
            raise UserError(
                f"expected a placement like {self._filled(1)} (digits 0 to "
                f"{DIGITS[self.choices - 1]}) or one of {', '.join(self.named)}; got {text!r}"
            )
        parts = tuple(len(part) for part in stripped.split("-"))
        if "-" in stripped and parts != self.stages:
            raise UserError(
                f"expected stages of {'-'.join(map(str, self.stages))} sites in {self.name!r}, "
                f"got {'-'.join(map(str, parts))} in {text!r}"
            )
        return self.placement(DIGITS.index(d) for d in digits)

    def sample(self, rng: np.random.Generator, attached: int | None = None) -> Placement:
        """Draw a random placement.

        Args:
            rng: The random generator.
            attached: The number of sites with attention; by default, it is drawn uniformly first.

        Returns:
            The placement; its sites and their attentions are drawn uniformly.
        """
        count = int(rng.integers(self.sites + 1)) if attached is None else attached
        choices = np.zeros(self.sites, dtype=int)
        attached_sites = rng.choice(self.sites, size=count, replace=False)
        choices[attached_sites] = rng.integers(1, self.choices, size=count)
        return self.placement(choices)

    def enumerate(self) -> "list[Placement]":
        """List all placements in the order of counting: the last site changes fastest."""
        shape = (self.choices,) * self.sites
        return [self.placement(np.unravel_index(i, shape)) for i in range(self.size)]

    @cached_property
    def named(self) -> dict[str, Placement]:
        """Map names to placements: the common ones of every space, and those of `placements`."""
        last_sites = {sum(self.stages[: s + 1]) - 1 for s in range(len(self.stages))}
        named = {"none": self._filled(0), "all": self._filled(1)}
        if len(self.attention) > 1:
            named |= {f"all-{a.name}": self._filled(k) for k, a in enumerate(self.attention, 1)}
        named["every-other"] = self.placement((i + 1) % 2 for i in range(self.sites))
        named["last-per-stage"] = self.placement(i in last_sites for i in range(self.sites))
        # The hyphens are ignored: published placements may be written with other stages.
        for name, text in self.placements.items():
            digits = text.replace("-", "")
            named[name] = self.placement(DIGITS.index(digit) for digit in digits)
        return named

    def _filled(self, choice: int) -> Placement:
        return self.placement([choice] * self.sites)

    @property
    def stage_of_site(self) -> list[int]:
        """Return the number of the stage of each site."""
        return [stage for stage, count in enumerate(self.stages) for _ in range(count)]

    @property
    def log2_size(self) -> float:
        """Return the base-2 logarithm of the number of placements."""
        return self.sites * math.log2(self.choices)


def shipped_spaces() -> list[str]:
    """List the names of the spaces that come with the package."""
    return list_yaml(SHIPPED)


def load_space(source: str | Path | Space, **changes: Any) -> Space:
    """Load a search space.

    Args:
        source: The name of a shipped space, or the path of a YAML file. A space is returned as it
            is, but for the changes.
        changes: Fields of `Space` with values that replace those of the file.

    Raises:
        UserError: If there is no such space or file, or a field of it is wrong.

    Example:
        >>> load_space("resnet50_shared", image_size=176)
    """
    if isinstance(source, Space):
        return parse_fields(Space, {**dict(source), **changes}, source.name) if changes else source
    path = find_yaml(source, SHIPPED, "space")
    fields = read_yaml(path)
    if isinstance(fields, dict):
        fields = {"name": path.stem, **fields, **changes}
    space = parse_fields(Space, fields, f"space {source}")
    return _drop_invalid_placements(space) if "attention" in changes else space


def _drop_invalid_placements(space: Space) -> Space:
    """Drop the named placements of the file that need more attentions than the space now has."""
    digits = DIGITS[: space.choices] + "-"
    known = {name: text for name, text in space.placements.items() if set(text) <= set(digits)}
    return space.model_copy(update={"placements": known})
