"""One run as one frozen value: a space, data, and how to train, search and retrain.

An experiment is read from YAML, from flags, or from both. A file may build on others
(`base: [a.yaml, b.yaml]`, later ones win). A run folder keeps the same value with every field
spelled out.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationInfo, field_validator, model_validator

from ean_search.core.objective import Objective
from ean_search.core.plugins import space_plugins
from ean_search.core.score import ACCURACY, Score
from ean_search.core.space import Space, load_space
from ean_search.core.trial import axis_field
from ean_search.data.datasets import DataSource, imports_data
from ean_search.evaluation.precision import Precision
from ean_search.runs.experiment_files import gather_fields, name_leaves, spell_out_searcher
from ean_search.search.loop import SearchSettings
from ean_search.search.searchers.registry import (
    DEFAULT_SEARCHER,
    find_searcher,
    imports_searcher,
)
from ean_search.training.fine_tune import FineTuning
from ean_search.training.recipe import Recipe
from ean_search.training.supernet import SupernetSettings
from ean_search.utils.config import (
    MAX_BATCH_SIZE,
    MAX_COUNT,
    MAX_IMAGE_SIZE,
    MAX_PROCESSES,
    MAX_SEED,
    FrozenConfig,
    parse_fields,
)
from ean_search.utils.errors import UserError
from ean_search.utils.files import write_atomically
from ean_search.utils.trust import (
    ForeignName,
    PluginName,
    refuse_foreign,
)

MAX_COHORT = 10**5  # placements that are held in memory at once


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
        score: What is measured of placements, and maximised or minimised.
        objective: The reward, such as "accuracy - 0.02 latency".
        limits: Bounds on costs, such as "latency < 1.10x, sites <= 8".
        racing: Stop clearly worse members of a cohort before they have seen all images.
        evaluator: "shared" uses the weights of one network for all placements; "standalone"
            trains each placement for a short schedule.
        scheduler: The scheduler of Ray Tune for stand-alone trainings by workers.
        verify: How many of the best placements to train stand-alone after the search.
        judge_share: The share of the search images that have no part in the search, and judge its
            winners. With 0 the same images choose and judge, and the winners' figures are too good.
        warm_start: The folder of another run on the same sites, from whose trials the searcher
            learns first; they are copied when the run starts.
    """

    searcher: PluginName = DEFAULT_SEARCHER
    options: dict[str, Any] = {}
    budget: int = Field(default=64, ge=1, le=MAX_COUNT)
    cohort: int | None = Field(default=None, ge=1, le=MAX_COHORT)
    steps: int | None = Field(default=None, ge=1, le=MAX_COUNT)
    score: Score = ACCURACY
    objective: str = "accuracy - 0.02 latency"
    limits: str = ""
    racing: bool = False
    judge_share: float = Field(default=0.5, ge=0, le=0.9)
    evaluator: Literal["shared", "standalone"] = "shared"
    scheduler: str = "asha"
    verify: int = Field(default=0, ge=0, le=MAX_COUNT)
    warm_start: str | None = None

    @property
    def goal(self) -> Objective:
        """Read the objective and its limits."""
        return Objective.parse(self.objective, self.limits, self.score)

    def settings(self, seed: int) -> SearchSettings:
        """Return what the search loop needs to know, with the seed of the experiment."""
        return SearchSettings(budget=self.budget, cohort=self.cohort, steps=self.steps, seed=seed)

    @model_validator(mode="before")
    @classmethod
    def _split_searcher(cls, fields: Any) -> Any:
        return spell_out_searcher(fields) if isinstance(fields, dict) else fields

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
        if not isinstance(name, ForeignName):
            find_searcher(name)
        return name

    @field_validator("objective")
    @classmethod
    def _check_objective(cls, text: str, info: ValidationInfo) -> str:
        Objective.parse(reward=text, score=info.data.get("score", ACCURACY))
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
        fine_tuning: How a user's module is fine-tuned for all its placements, on batches and by a
            loss from Python; None in runs on data sets.
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
    fine_tuning: FineTuning | None = None
    search: Search = Search()
    standalone: Recipe = Recipe(epochs=3)
    retrain: Recipe = Recipe(epochs=8)
    pretrain: Recipe = Recipe(epochs=8)
    cost_axis: str = "latency_ms"
    cost_image_size: int | None = Field(default=None, ge=8, le=MAX_IMAGE_SIZE)
    cost_batch: int = Field(default=1, ge=1, le=MAX_BATCH_SIZE)
    eval_batch: int = Field(default=256, ge=1, le=MAX_BATCH_SIZE)
    recalibrate: int = Field(default=256, ge=0, le=MAX_COUNT)
    evaluation: Precision = Precision()
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    train_workers: int = Field(default=1, ge=1, le=MAX_PROCESSES)
    device: str = "auto"

    @field_validator("space", mode="before")
    @classmethod
    def _load_space(cls, value: Any) -> Any:
        if isinstance(value, str):
            return load_space(value)
        if isinstance(value, dict) and isinstance(value.get("base"), str):
            changes = {key: entry for key, entry in value.items() if key != "base"}
            return load_space(value["base"], **changes)
        return value

    @field_validator("cost_axis")
    @classmethod
    def _name_axis(cls, axis: str) -> str:
        return axis_field(axis)


def load_experiment(
    path: Path | str | None = None,
    changes: dict[str, Any] | None = None,
    trust: Collection[str] = (),
) -> Experiment:
    """Read an experiment from a file, from changes, or from both.

    Args:
        path: A YAML file of fields; None for the defaults.
        changes: Values by dotted field, such as {"search.budget": 32}; they override the file.
        trust: Modules or plug-ins that a file in a run folder may name, beside those that this user
            started the run with. Other files are the user's own.

    Raises:
        UserError: If a file or a field is missing, unknown, or has a value that cannot work, or if
            a run folder names plug-ins that are not trusted.

    Example:
        >>> load_experiment(None, {"space": "tiny", "search.budget": 32})
    """
    fields = gather_fields(path, changes or {}, trust)
    experiment = parse_fields(Experiment, fields, f"experiment {path}" if path else "experiment")
    refuse_foreign(experiment_plugins(experiment))
    return experiment


def experiment_plugins(experiment: Experiment) -> list[str]:
    """List the names in an experiment that stand for code outside the package."""
    name, searcher = experiment.data.name, experiment.search.searcher
    data, searchers = [name] * imports_data(name), [searcher] * imports_searcher(searcher)
    return [*space_plugins(experiment.space), *data, *searchers]


def given_fields(path: Path | str | None, changes: dict[str, Any]) -> frozenset[str]:
    """Name the dotted fields that a file or changes set, except those that they leave open (null).

    Args:
        path: A YAML file of fields, or None.
        changes: Values by dotted field.

    Example:
        >>> sorted(given_fields(None, {"space": "tiny", "search.budget": 32}))
        ['search.budget', 'space']
    """
    return frozenset(name_leaves(gather_fields(path, changes)))


def save_experiment(experiment: Experiment, path: Path | str) -> None:
    """Write an experiment to a YAML file, with every field spelled out."""
    text = yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False)
    write_atomically(Path(path), lambda part: part.write_text(text))
