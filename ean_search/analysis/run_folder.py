"""A run's folder: where everything of a run lies, and how to read it back. Imports no torch."""

from dataclasses import dataclass, fields
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ean_search.core import pareto
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Cost, Trial, axis_field
from ean_search.costs.table import CostTable
from ean_search.search.trial_log import read_trials
from ean_search.utils.config import parse_fields
from ean_search.utils.errors import UserError


@dataclass(frozen=True)
class Run:
    """One run's folder."""

    path: Path

    @property
    def experiment(self) -> Path:
        return self.path / "experiment.yaml"

    @property
    def provenance(self) -> Path:
        return self.path / "provenance.json"

    @property
    def trials(self) -> Path:
        return self.path / "trials.jsonl"

    @property
    def verified(self) -> Path:
        return self.path / "verified.jsonl"

    @property
    def supernet(self) -> Path:
        return self.path / "supernet.safetensors"

    @property
    def costs(self) -> Path:
        return self.path / "costs.json"

    @property
    def front_table(self) -> Path:
        return self.path / "front.csv"

    @property
    def front_picture(self) -> Path:
        return self.path / "front.png"

    @property
    def scalars(self) -> Path:
        return self.path / "tensorboard"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Read the experiment as plain fields."""
        return yaml.safe_load(self.experiment.read_text())

    @cached_property
    def space(self) -> Space:
        """Read the space that was searched."""
        return parse_fields(Space, self.fields["space"], str(self.experiment))

    @property
    def cost_axis(self) -> str:
        """Name the cost axis of the run's front."""
        return axis_field(self.fields["cost_axis"])

    def read_trials(self) -> list[Trial]:
        """Read the trials so far."""
        return read_trials(self.trials, self.space)

    def read_verified(self) -> list[Trial]:
        """Read the trials that were trained stand-alone after the search, the best first."""
        trials = read_trials(self.verified, self.space)
        if not any(trial.status == "done" for trial in trials):
            raise UserError(f"{self.path} has no verified trial: ean-search run --verify K")
        return sorted(trials, key=lambda trial: (trial.status != "done", -trial.reward))

    def read_costs(self) -> CostTable:
        """Read the table that priced them."""
        return CostTable.load(self.costs)

    def frame(self) -> pd.DataFrame:
        """Return one row a trial: placement, one column a site, accuracy, costs, reward."""
        return trial_frame(self.read_trials(), self.space.sites)

    def front(self, x: str | None = None) -> pd.DataFrame:
        """Return the trials on the front of accuracy against a cost axis, the run's own if none."""
        frame = self.frame()
        return pareto.front(frame[frame.status == "done"], axis_field(x or self.cost_axis))

    def find(self, name: str) -> Placement:
        """Return the placement that `best`, `knee`, `verified`, a name or a text stands for."""
        if name == "verified":
            return self.read_verified()[0].placement
        if name not in ("best", "knee"):
            return self.space.parse(name)
        frame = self.frame()
        done = frame[frame.status == "done"]
        if done.empty:
            raise UserError(f"{self.path} has no finished trial yet, so no {name}")
        row = done.loc[done.reward.idxmax()] if name == "best" else pareto.knee(self.front())
        return self.space.parse(row.placement)


def load_run(path: str | Path) -> Run:
    """Open a run's folder."""
    run = Run(Path(path))
    if not run.experiment.is_file():
        raise UserError(f"{path} is not a run folder: it has no {run.experiment.name}")
    return run


def trial_frame(trials: list[Trial], sites: int) -> pd.DataFrame:
    """Return one row a trial, costs and sites spread out over columns."""
    own, costs = attrgetter(*TRIAL_FIELDS), attrgetter(*COST_FIELDS)
    rows = [
        (*own(trial), *costs(trial.cost), str(trial.placement), *trial.placement.choices)
        for trial in trials
    ]
    columns = [*TRIAL_FIELDS, *COST_FIELDS, "placement", *(f"site{i}" for i in range(sites))]
    frame = pd.DataFrame(rows, columns=columns)
    return frame[[*TRIAL_COLUMNS, *columns[len(TRIAL_COLUMNS) :]]]


COST_FIELDS = tuple(field.name for field in fields(Cost))
TRIAL_FIELDS = ("number", "step", "status", "accuracy", "reward", "seconds", "note")
TRIAL_COLUMNS = (*TRIAL_FIELDS[:2], "placement", *TRIAL_FIELDS[2:], *COST_FIELDS)
