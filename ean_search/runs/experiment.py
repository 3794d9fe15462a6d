"""One run as one frozen value: a space, data, and how to train, search and retrain.

An experiment is read from YAML, from flags, or from both. A file may build on others
(`base: [a.yaml, b.yaml]`, later ones win). A run folder keeps the same value with every field
spelled out.
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
from ean_search.search.loop import SearchSettings
from ean_search.search.searchers.registry import DEFAULT_SEARCHER, find_searcher, split_searcher
from ean_search.training.recipe import Recipe
from ean_search.training.supernet import SupernetSettings
from ean_search.utils.config import FrozenConfig, parse_fields, read_yaml
from ean_search.utils.errors import UserError
from ean_search.utils.files import write_atomically


def _spell_out_searcher(search: dict[str, Any]) -> dict[str, Any]:
    """Split a searcher like "random tries=50" into `searcher` and `options`, as they are saved."""
    if not isinstance(search.get("searcher"), str):
        return search
    name, options = split_searcher(search["searcher"])
    given = search.get("options") or {}
    if not options or not isinstance(given, dict):
        return search | {"searcher": name}
    if twice := sorted(set(options) & set(given)):
        raise UserError(
            f"the option {twice[0]!r} of searcher {name!r} is given twice: beside its name and in "
            "`options`"
        )
    return search | {"searcher": name, "options": {**given, **options}}


class Search(FrozenConfig):
    """How the space is searched, and for what.

    Attributes:
        searcher: A name in SEARCHERS, `optuna:Sampler`, or `module:Class`. Options may follow it,
            as in "random tries=50"; they become part of `options`.
        options: Keyword arguments of the searcher.
        budget: The number of distinct evaluations, the named placements included; these are always
            evaluated.
        cohort: How many placements to ask for at once; the searcher's own number if None.
        steps: The largest number of cohorts; no limit if None.
        objective: The reward, such as "accuracy - 0.02 latency".
        limits: Bounds on costs, such as "latency < 1.10x, sites <= 8".
        racing: Stop clearly worse members of a cohort before they have seen all images.
        evaluator: "shared" uses the weights of one network for all placements; "standalone"
            trains each placement for a short schedule.
        scheduler: The scheduler of Ray Tune for stand-alone trainings by workers.
        verify: How many of the best placements to train stand-alone after the search.
    """

    searcher: str = DEFAULT_SEARCHER
    options: dict[str, Any] = {}
    budget: int = Field(default=64, ge=1)
    cohort: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    objective: str = "accuracy - 0.02 latency"
    limits: str = ""
    racing: bool = False
    evaluator: Literal["shared", "standalone"] = "shared"
    scheduler: str = "asha"
    verify: int = Field(default=0, ge=0)

    @property
    def goal(self) -> Objective:
        """Read the objective and its limits."""
        return Objective.parse(self.objective, self.limits)

    def settings(self, seed: int) -> SearchSettings:
        """Return what the search loop needs to know, with the seed of the experiment."""
        return SearchSettings(budget=self.budget, cohort=self.cohort, steps=self.steps, seed=seed)

    @model_validator(mode="before")
    @classmethod
    def _split_searcher(cls, fields: Any) -> Any:
        return _spell_out_searcher(fields) if isinstance(fields, dict) else fields

    @model_validator(mode="after")
    def _check_evaluator(self) -> "Search":
        if self.racing and self.evaluator != "shared":
            raise UserError("racing needs shared weights; a scheduler stops stand-alone trainings")
        if self.verify and self.evaluator != "shared":
            raise UserError(
                "verify is for shared weights; these accuracies are stand-alone already"
            )
        return self

    @field_validator("searcher")
    @classmethod
    def _check_searcher(cls, name: str) -> str:
        find_searcher(name)
        return name

    @field_validator("objective")
    @classmethod
    def _check_objective(cls, text: str) -> str:
        Objective.parse(reward=text)
        return text

    @field_validator("limits")
    @classmethod
    def _check_limits(cls, text: str) -> str:
        Objective.parse(limits=text)
        return text


class Experiment(FrozenConfig):
    """Everything that determines a run.

    Attributes:
        space: The backbone, the sites and the attentions.
        data: The data set and where it is.
        supernet: How the weight-sharing network is trained.
        search: How the space is searched.
        standalone: The short schedule of stand-alone evaluation.
        retrain: The schedule by which found placements are retrained.
        pretrain: The schedule by which `ean-search pretrain` trains the plain backbone.
        cost_axis: The cost axis of the front.
        cost_image_size: The size of the images that costs are measured for, in pixels; that of the
            data if None.
        cost_batch: The batch size of timed forward passes.
        eval_batch: The batch size of evaluation.
        recalibrate: How many images set the norm statistics of each placement; with 0, all
            placements use the statistics of the weight-sharing network.
        evaluation: The numerical precision of evaluation with shared weights.
        seed: The seed of everything random.
        train_workers: How many processes share each batch of a training.
        device: "auto", "cpu", "cuda" or "cuda:1".
    """

    space: Space
    data: DataSource = DataSource()
    supernet: SupernetSettings = SupernetSettings()
    search: Search = Search()
    standalone: Recipe = Recipe(epochs=3)
    retrain: Recipe = Recipe(epochs=8)
    pretrain: Recipe = Recipe(epochs=8)
    cost_axis: str = "latency_ms"
    cost_image_size: int | None = Field(default=None, ge=8)
    cost_batch: int = Field(default=1, ge=1)
    eval_batch: int = Field(default=256, ge=1)
    recalibrate: int = Field(default=256, ge=0)
    evaluation: Precision = Precision()
    seed: int = Field(default=0, ge=0)
    train_workers: int = Field(default=1, ge=1)
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
    """Read an experiment from a file, from changes, or from both.

    Args:
        path: A YAML file of fields; None for the defaults.
        changes: Values by dotted field, such as {"search.budget": 32}; they override the file.

    Raises:
        UserError: If a file or a field is missing, unknown, or has a value that cannot work.

    Example:
        >>> load_experiment(None, {"space": "tiny", "search.budget": 32})
    """
    fields = _read(Path(path)) if path else {}
    for dotted, value in (changes or {}).items():
        for key in reversed(dotted.split(".")):
            value = {key: value}
        fields = _merge(fields, _spell_out_search(value))
    return parse_fields(Experiment, fields, f"experiment {path}" if path else "experiment")


def save_experiment(experiment: Experiment, path: Path | str) -> None:
    """Write an experiment to a YAML file, with every field spelled out."""
    text = yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False)
    write_atomically(Path(path), lambda part: part.write_text(text))


def _read(path: Path) -> dict[str, Any]:
    """Read the fields of a file and of the files it builds on."""
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
    return _merge(merged, _spell_out_search(fields))


def _spell_out_search(fields: dict[str, Any]) -> dict[str, Any]:
    """Spell out the searcher of one file or flag, so that options of a later one replace it."""
    if not isinstance(fields.get("search"), dict):
        return fields
    return fields | {"search": _spell_out_searcher(fields["search"])}


def _merge(fields: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Change fields, also inside mappings; a mapping with a name replaces the old one whole."""
    merged = dict(fields)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and "name" not in value:
            value = _merge(old, value)
        merged[key] = value
    return merged
