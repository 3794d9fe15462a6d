"""Run folders: the only code that knows where the files of a run and of its trainings lie."""

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
from ean_search.utils.files import read_json

DESCRIPTION = "training.json"  # of a training


@dataclass(frozen=True)
class Run:
    """One run's folder."""

    path: Path

    @property
    def experiment_file(self) -> Path:
        """The experiment with everything spelled out; a folder without it is no run."""
        return self.path / "experiment.yaml"

    @property
    def provenance_file(self) -> Path:
        """Versions and hardware that the run was started with."""
        return self.path / "provenance.json"

    @property
    def costs_file(self) -> Path:
        """The cost table."""
        return self.path / "costs.json"

    @property
    def supernet_file(self) -> Path:
        """Weights of the weight-sharing network."""
        return self.path / "supernet.safetensors"

    @property
    def trials_file(self) -> Path:
        """The log of the search."""
        return self.path / "trials.jsonl"

    @property
    def verified_file(self) -> Path:
        """The log of stand-alone trainings after the search."""
        return self.path / "verified.jsonl"

    @property
    def checkpoints_folder(self) -> Path:
        """States of unfinished stand-alone trainings."""
        return self.path / "training"

    @property
    def front_table(self) -> Path:
        """The front, with measured latencies."""
        return self.path / "front.csv"

    @property
    def front_picture(self) -> Path:
        """The front and the placements on it."""
        return self.path / "front.png"

    @property
    def summary_file(self) -> Path:
        """What the run concluded; it is written last."""
        return self.path / "summary.json"

    @property
    def report_file(self) -> Path:
        """The page about the run."""
        return self.path / "report.html"

    @property
    def tensorboard_folder(self) -> Path:
        """Scalars of everything that reports progress."""
        return self.path / "tensorboard"

    @property
    def optuna_file(self) -> Path:
        """The journal of the Optuna study that mirrors the trials."""
        return self.path / "optuna.journal"

    @property
    def grad_cam_folder(self) -> Path:
        """Pictures of where networks look."""
        return self.path / "explain"

    def retrain_folder(self, recipe: str | None = None, pretrained: bool = False) -> Path:
        """Return the folder of the trainings by a recipe, the run's own if None."""
        parts = [Path(recipe).stem] if recipe else []
        return self.path.joinpath("retrain", *parts, *(["pretrained"] if pretrained else []))

    def transfer_folder(self, task: str, start: str) -> Path:
        """Return the folder of the trainings for a task, by what their backbones start from."""
        return self.path / "transfer" / task / start

    def trainings(
        self,
        placement: Placement | None = None,
        *,
        recipe: str | None = None,
        seed: int | None = None,
    ) -> "list[TrainingFolder]":
        """List the finished retrainings.

        Args:
            placement: Only those of this placement.
            recipe: Only those by this recipe, a shipped name or a file; by any recipe if None.
            seed: Only those of this seed.
        """
        root = self.retrain_folder()
        return [
            folder
            for file in sorted(root.rglob(DESCRIPTION))
            if (folder := TrainingFolder(file.parent)).is_finished
            and not folder.is_pruned
            and (placement is None or folder.placement == str(placement))
            and seed in (None, folder.seed)
            and (recipe is None or folder.recipe_below(root) == Path(recipe).stem)
        ]

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Read the experiment as plain fields."""
        return yaml.safe_load(self.experiment_file.read_text())

    @cached_property
    def space(self) -> Space:
        """Read the space that was searched."""
        return parse_fields(Space, self.fields["space"], str(self.experiment_file))

    @property
    def cost_axis(self) -> str:
        """Name the cost axis of the run's front."""
        return axis_field(self.fields["cost_axis"])

    def read_trials(self) -> list[Trial]:
        """Read the trials so far."""
        return read_trials(self.trials_file, self.space)

    def read_verified(self) -> list[Trial]:
        """Read the trials that were trained stand-alone after the search, the best first."""
        trials = read_trials(self.verified_file, self.space)
        if not any(trial.status == "done" for trial in trials):
            raise UserError(f"{self.path} has no verified trial: ean-search run --verify K")
        return sorted(trials, key=lambda trial: (trial.status != "done", -trial.reward))

    def read_costs(self) -> CostTable:
        """Read the table that priced them."""
        return CostTable.load(self.costs_file)

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


@dataclass(frozen=True)
class TrainingFolder:
    """The folder of one training of one placement."""

    path: Path

    @property
    def description_file(self) -> Path:
        """What is trained, on what data, and how."""
        return self.path / DESCRIPTION

    @property
    def weights_file(self) -> Path:
        """The trained weights."""
        return self.path / "model.safetensors"

    @property
    def metrics_file(self) -> Path:
        """What the training reached; a training without it is not finished."""
        return self.path / "metrics.json"

    @property
    def state_file(self) -> Path:
        """The state of an unfinished training."""
        return self.path / "checkpoint.pt"

    @property
    def export_folder(self) -> Path:
        """The network in formats for others."""
        return self.path / "export"

    @property
    def pruned_folder(self) -> "TrainingFolder":
        """The network after its constant gates were fused away."""
        return TrainingFolder(self.path / "folded")

    @property
    def is_finished(self) -> bool:
        """Say whether the training has come to its end."""
        return self.metrics_file.is_file()

    @property
    def is_pruned(self) -> bool:
        """Say whether this is what pruning left of another training."""
        return self.read_description().get("folded_from") is not None

    @property
    def placement(self) -> str:
        """The placement, as text."""
        return self.read_description()["placement"]

    @property
    def seed(self) -> int:
        """The seed of the training."""
        return self.read_description()["seed"]

    def recipe_below(self, root: Path) -> str | None:
        """Return the recipe's name, which stands in the path below a retraining folder."""
        parts = list(self.path.relative_to(root).parts[:-1])
        if self.read_description().get("pretrained") is not None:
            parts = parts[:-1]
        return parts[0] if parts else None

    def read_description(self) -> dict[str, Any]:
        """Read what is trained, on what data, and how."""
        return read_json(self.description_file)

    def read_metrics(self) -> dict[str, Any] | None:
        """Read what the training reached, or return None if it is not finished."""
        return read_json(self.metrics_file)

    @staticmethod
    def name(placement: Placement, seed: int) -> str:
        """Name the folder of a placement's training."""
        return f"{placement}-seed{seed}"


def load_run(path: str | Path) -> Run:
    """Open a run's folder."""
    run = Run(Path(path))
    if not run.experiment_file.is_file():
        raise UserError(f"{path} is not a run folder: it has no {run.experiment_file.name}")
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
