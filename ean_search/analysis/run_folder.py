"""Run folders: the only code that knows where the files of a run lie."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ean_search.analysis.run_format import check_run_format
from ean_search.analysis.training_folder import DESCRIPTION_NAME, TrainingFolder
from ean_search.analysis.trial_frame import trial_frame
from ean_search.core import pareto
from ean_search.core.score import Score
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Trial, axis_field
from ean_search.costs.table import CostTable
from ean_search.search.trial_log import read_trials
from ean_search.utils.config import parse_fields
from ean_search.utils.errors import UserError, shorten
from ean_search.utils.import_path import treat_as_data
from ean_search.utils.trust import PROVENANCE_NAME, mark_foreign, recorded_names
from ean_search.utils.yaml_files import read_yaml

RAY_FOLDERS = ("train", "tune")  # Ray's, while it trains the supernet or evaluates
RAY_EVALUATIONS = ("tune", "verify")  # before the number of a Tuner
COMPARISON_NAME = "comparison.csv"  # of retrained placements, in a folder of retrainings


@dataclass(frozen=True)
class Run:
    """The folder of one run: paths of its files, and their contents as values and frames.

    Attributes:
        path: The folder.
        trust: Modules and plug-ins that may be imported though the run may be a stranger's.
    """

    path: Path
    trust: frozenset[str] = frozenset()

    @property
    def experiment_file(self) -> Path:
        """The experiment with everything spelled out; a folder without it is no run."""
        return self.path / "experiment.yaml"

    @property
    def provenance_file(self) -> Path:
        """The versions and the hardware that the run was started with."""
        return self.path / PROVENANCE_NAME

    @property
    def costs_file(self) -> Path:
        """The cost table."""
        return self.path / "costs.json"

    @property
    def supernet_file(self) -> Path:
        """The weights of the supernet."""
        return self.path / "supernet.safetensors"

    @property
    def supernet_checkpoint(self) -> Path:
        """The state of the supernet's training, until it is finished."""
        return self.supernet_file.with_suffix(".checkpoint")

    @property
    def lock_file(self) -> Path:
        """The lock of the process that is working on the run."""
        return self.path / ".lock"

    @property
    def trials_file(self) -> Path:
        """The trial log of the search."""
        return self.path / "trials.jsonl"

    @property
    def warm_start_file(self) -> Path:
        """The trials of another run that the searcher learnt from first."""
        return self.path / "warm_start.jsonl"

    @property
    def verified_file(self) -> Path:
        """The trial log of the stand-alone trainings after the search."""
        return self.path / "verified.jsonl"

    @property
    def checkpoints_folder(self) -> Path:
        """The checkpoints of unfinished stand-alone trainings."""
        return self.path / "training"

    @property
    def front_table(self) -> Path:
        """The front as a table, with measured latencies."""
        return self.path / "front.csv"

    @property
    def front_picture(self) -> Path:
        """The front as a picture, with the placements on it."""
        return self.path / "front.png"

    @property
    def summary_file(self) -> Path:
        """The conclusions of the run; this file is written last."""
        return self.path / "summary.json"

    @property
    def report_file(self) -> Path:
        """The HTML page about the run."""
        return self.path / "report.html"

    @property
    def tensorboard_folder(self) -> Path:
        """The scalars, for TensorBoard, of all tasks that report progress."""
        return self.path / "tensorboard"

    @property
    def optuna_file(self) -> Path:
        """The journal of the Optuna study that mirrors the trials."""
        return self.path / "optuna.journal"

    @property
    def grad_cam_folder(self) -> Path:
        """The Grad-CAM pictures of where networks look."""
        return self.path / "explain"

    def is_preparation(self, entry: Path) -> bool:
        """Tell whether a run makes this entry of its folder before its first trial."""
        own = (
            self.experiment_file,
            self.provenance_file,
            self.costs_file,
            self.supernet_file,
            self.supernet_checkpoint,
            self.trials_file,
            self.warm_start_file,
            self.checkpoints_folder,
            self.tensorboard_folder,
            self.lock_file,
            *(self.path / name for name in RAY_FOLDERS),
        )
        rays = entry.name.rpartition("-")[0] in RAY_EVALUATIONS
        return entry in own or rays or entry.suffix in (".part", ".lock")

    def retrain_folder(self, recipe: str | None = None, pretrained: bool = False) -> Path:
        """Return the folder of retrainings.

        Args:
            recipe: A shipped recipe's name or a file; the run's own recipe if None.
            pretrained: Whether the backbones start from pretrained weights.
        """
        parts = [Path(recipe).stem] if recipe else []
        return self.path.joinpath("retrain", *parts, *(["pretrained"] if pretrained else []))

    def transfer_folder(self, task: str, start: str) -> Path:
        """Return the folder of the trainings for a task whose backbones begin with `start`."""
        return self.path / "transfer" / task / start

    def scalars_folder(self, trainings: Path) -> Path:
        """Return the folder of the scalars of a `retrain_folder` or a `transfer_folder`."""
        return self.tensorboard_folder / trainings.relative_to(self.path)

    def comparisons(self) -> dict[str, Path]:
        """Map recipes, in words, to the comparisons of placements that were retrained by them."""
        root = self.retrain_folder()
        files = sorted(root.rglob(COMPARISON_NAME))
        parts = [file.parent.relative_to(root).parts for file in files]
        return {", ".join(p) or "own recipe": file for p, file in zip(parts, files, strict=True)}

    def trainings(
        self,
        placement: Placement | None = None,
        *,
        recipe: str | None = None,
        seed: int | None = None,
    ) -> list[TrainingFolder]:
        """List the finished retrainings, without the pruned copies of them.

        Args:
            placement: Only those of this placement.
            recipe: Only those by this recipe, a shipped name or a file; by any recipe if None.
            seed: Only those of this seed.
        """
        root = self.retrain_folder()
        return [
            folder
            for file in sorted(root.rglob(DESCRIPTION_NAME))
            if (folder := TrainingFolder(file.parent)).is_finished
            and not folder.is_pruned
            and (placement is None or folder.placement == str(placement))
            and seed in (None, folder.seed)
            and (recipe is None or folder.recipe_below(root) == Path(recipe).stem)
        ]

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The fields of the experiment, as in its file; a stranger's plug-ins are marked."""
        fields = read_yaml(self.experiment_file)
        for name in ("space", "search"):
            if not isinstance(fields, dict) or not isinstance(fields.get(name), dict):
                raise UserError(f"{self.experiment_file}: expected a mapping of fields in {name!r}")
        marked: dict[str, Any] = mark_foreign(fields, self.trust | recorded_names(self.path))
        return marked

    @cached_property
    def space(self) -> Space:
        """The space that was searched."""
        return parse_fields(Space, self.fields["space"], str(self.experiment_file))

    @cached_property
    def score(self) -> Score:
        """What the search measured of placements."""
        fields = self.fields["search"].get("score", {})  # earlier versions measured accuracy only
        return parse_fields(Score, fields, f"{self.path}: score")

    def forget(self) -> None:
        """Forget what was read of the experiment, because its file was changed."""
        for name in ("fields", "space", "score"):
            vars(self).pop(name, None)

    @property
    def cost_axis(self) -> str:
        """The cost axis of the run's front, a field of `Cost`."""
        axis, file = self.fields.get("cost_axis"), self.experiment_file
        if not isinstance(axis, str):
            raise UserError(f"{file}: cost_axis: expected text, got {shorten(axis)}")
        return axis_field(axis)

    def read_warm_start(self) -> list[Trial]:
        """Read the trials of another run that the searcher learnt from first."""
        return read_trials(self.warm_start_file, self.space, self.score)

    def read_trials(self) -> list[Trial]:
        """Read the trials so far, in their order."""
        return read_trials(self.trials_file, self.space, self.score)

    def read_verified(self) -> list[Trial]:
        """Read the trials that were trained stand-alone after the search, the best first.

        Raises:
            UserError: If none of them succeeded.
        """
        trials = read_trials(self.verified_file, self.space, self.score)
        if not any(trial.status == "done" for trial in trials):
            raise UserError(f"{self.path} has no verified trial: ean-search run --verify K")
        return sorted(trials, key=lambda trial: (trial.status != "done", -trial.reward))

    def read_costs(self) -> CostTable:
        """Read the table of costs that the trials were priced by."""
        table = CostTable.load(self.costs_file)
        table.check_fits(self.space.sites, self.space.choices, str(self.costs_file))
        return table

    def frame(self) -> pd.DataFrame:
        """Return one row per trial, in their order; see `trial_frame` for the columns."""
        return trial_frame(self.read_trials(), self.space.sites)

    def front(self, x: str | None = None) -> pd.DataFrame:
        """Return the trials on the front of accuracy against x (None: the run's cost axis)."""
        done = self.frame().query("status == 'done'")
        return pareto.front(done, axis_field(x or self.cost_axis))

    def find(self, name: str | Placement) -> Placement:
        """Return the placement that a name stands for.

        Args:
            name: `best` (reward), `knee`, `verified`, a name of the space, or a placement's text.

        Raises:
            UserError: If the name is unknown or the run has no such placement yet.
        """
        if name == "verified":
            return self.read_verified()[0].placement
        if name not in ("best", "knee"):
            return self.space.parse(name)
        done = self.frame().query("status == 'done'")
        if done.empty:
            raise UserError(f"{self.path} has no finished trial yet, so no {name}")
        row = done.iloc[done["reward"].argmax()] if name == "best" else pareto.knee(self.front())
        return self.space.parse(row["placement"])


def load_run(path: str | Path | Run, trust: Collection[str] = ()) -> Run:
    """Open a run's folder.

    Args:
        path: The folder that `ean-search run` made. A run is returned as it is.
        trust: Modules, or plug-ins such as "my_attn:SimAM", that the run may import (SECURITY.md).

    Raises:
        UserError: If it has no `experiment.yaml`.
    """
    run = path if isinstance(path, Run) else Run(Path(path), frozenset(trust))
    treat_as_data(run.path)
    if not run.experiment_file.is_file():
        raise UserError(f"{run.path} is not a run folder: it has no {run.experiment_file.name}")
    check_run_format(run.provenance_file)
    return run
