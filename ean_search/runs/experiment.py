"""One run as one frozen value: a space, data, and how to train, search and retrain.

An experiment is read from YAML, from flags, or from both. A file may build on others
(`base: [a.yaml, b.yaml]`, later ones win); what a run folder keeps is the same value with
everything spelled out.
"""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from ean_search.core.objective import Objective
from ean_search.core.space import Space, load_space
from ean_search.core.trial import axis_field
from ean_search.data.datasets import DataSource
from ean_search.evaluation.precision import Precision
from ean_search.search.searchers.registry import DEFAULT_SEARCHER, find_searcher
from ean_search.training.supernet import Supernet
from ean_search.training.trainer import Recipe
from ean_search.utils.config import FrozenConfig, parse_fields, read_yaml
from ean_search.utils.errors import UserError
from ean_search.utils.files import write_whole


class Search(FrozenConfig):
    """How the space is searched, and what for."""

    searcher: str = DEFAULT_SEARCHER
    options: dict[str, Any] = {}
    budget: int = Field(default=64, ge=1)  # distinct evaluations, the named placements included
    cohort: int | None = None  # placements asked for at once; the searcher's own figure if none
    steps: int | None = None
    objective: str = "accuracy - 0.02 latency"
    limits: str = ""
    racing: bool = False  # stop clearly worse members of a cohort before they saw all images
    evaluator: Literal["shared", "standalone"] = "shared"  # weights of one network, or of its own
    scheduler: str = "asha"  # of Ray Tune, for stand-alone trainings by workers
    verify: int = Field(default=0, ge=0)  # best placements to train stand-alone after the search

    @property
    def goal(self) -> Objective:
        """Read the objective and its limits."""
        return Objective.parse(self.objective, self.limits)

    @model_validator(mode="after")
    def _what_needs_shared_weights(self) -> "Search":
        if self.racing and self.evaluator != "shared":
            raise UserError("racing needs shared weights; a scheduler stops stand-alone trainings")
        if self.verify and self.evaluator != "shared":
            raise UserError(
                "verify is for shared weights; these accuracies are stand-alone already"
            )
        return self

    @field_validator("searcher")
    @classmethod
    def _searcher_exists(cls, name: str) -> str:
        find_searcher(name)
        return name

    @field_validator("objective")
    @classmethod
    def _objective_is_readable(cls, text: str) -> str:
        Objective.parse(reward=text)
        return text

    @field_validator("limits")
    @classmethod
    def _limits_are_readable(cls, text: str) -> str:
        Objective.parse(limits=text)
        return text


class Experiment(FrozenConfig):
    """Everything that determines a run."""

    space: Space
    data: DataSource = DataSource()
    supernet: Supernet = Supernet()
    search: Search = Search()
    standalone: Recipe = Recipe(epochs=3)  # the short schedule of stand-alone evaluation
    retrain: Recipe = Recipe(epochs=8)
    cost_axis: str = "latency_ms"  # of the front
    cost_batch: int = Field(default=1, ge=1)  # images a timed forward pass sees
    eval_batch: int = Field(default=256, ge=1)
    # Images that set norm statistics, placement by placement; 0 leaves the mixture's.
    recalibrate: int = Field(default=256, ge=0)
    evaluation: Precision = Precision()  # of the network whose weights are shared
    seed: int = Field(default=0, ge=0)
    train_workers: int = Field(default=1, ge=1)  # processes that share each batch of a training
    device: str = "auto"

    @field_validator("space", mode="before")
    @classmethod
    def _load_space(cls, value: Any) -> Any:
        if isinstance(value, str):
            return load_space(value)
        if isinstance(value, dict) and "base" in value:
            changes = {key: entry for key, entry in value.items() if key != "base"}
            return load_space(value["base"], **changes)
        return value

    @field_validator("cost_axis")
    @classmethod
    def _name_axis(cls, axis: str) -> str:
        return axis_field(axis)


def load_experiment(
    path: Path | str | None = None, changes: dict[str, Any] | None = None
) -> Experiment:
    """Read an experiment's file, if there is one, with changes given as dotted fields."""
    fields = _read(Path(path)) if path else {}
    for dotted, value in (changes or {}).items():
        for key in reversed(dotted.split(".")):
            value = {key: value}
        fields = _merge(fields, value)
    return parse_fields(Experiment, fields, f"experiment {path}" if path else "experiment")


def save_experiment(experiment: Experiment, path: Path) -> None:
    """Write an experiment with everything spelled out."""
    text = yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False)
    write_whole(path, lambda part: part.write_text(text))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"no experiment file at {path}")
    fields = read_yaml(path)
    if not isinstance(fields, dict):
        raise UserError(f"{path}: expected a mapping of fields, got {type(fields).__name__}")
    if isinstance(fields.get("space"), str):
        fields["space"] = {"base": fields["space"]}
    bases = fields.pop("base", [])
    merged: dict[str, Any] = {}
    for base in [bases] if isinstance(bases, str) else bases:
        merged = _merge(merged, _read(path.parent / base))
    return _merge(merged, fields)


def _merge(fields: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Change fields, going into mappings that both have; what has a name is changed whole."""
    merged = dict(fields)
    for key, value in changes.items():
        old = merged.get(key)
        deep = isinstance(old, dict) and isinstance(value, dict) and "name" not in value
        merged[key] = _merge(old, value) if deep else value
    return merged
