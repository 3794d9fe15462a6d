"""Run folders: the only code that knows where the files of a run lie."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ean_search.analysis.run_files import RunFiles
from ean_search.analysis.run_format import check_run_format
from ean_search.analysis.training_folder import DESCRIPTION_NAME, TrainingFolder
from ean_search.analysis.trial_frame import trial_frame
from ean_search.core import pareto
from ean_search.core.answers import Answers
from ean_search.core.live_names import is_live
from ean_search.core.score import Score
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Trial, axis_field
from ean_search.costs.table import CostTable
from ean_search.search.answer_log import read_answers
from ean_search.search.trial_log import read_trials
from ean_search.utils.config import parse_fields
from ean_search.utils.errors import UserError, shorten
from ean_search.utils.import_path import treat_as_data
from ean_search.utils.trust import mark_foreign, recorded_names
from ean_search.utils.yaml_files import read_yaml

COMPARISON_NAME = "comparison.csv"  # of retrained placements, in a folder of retrainings


@dataclass(frozen=True)
class Run(RunFiles):
    """The folder of one run: the contents of its files as values and frames.

    Attributes:
        path: The folder.
        trust: Modules and plug-ins that may be imported though the run may be a stranger's.
    """

    trust: frozenset[str] = frozenset()

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

    def read_answers(self) -> Mapping[Placement, Answers]:
        """Read the answers of trials to the images of the search, as far as they are kept."""
        return read_answers(self.answers_file, self.space)

    def read_judged_answers(self) -> Mapping[Placement, Answers]:
        """Read the answers of the compared placements to the images that judge."""
        return read_answers(self.judged_file, self.space)

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

    def cost_image_sizes(self) -> list[int]:
        """List the image size that costs are for, in pixels; a user's module takes anything."""
        return [] if is_live(self.space.backbone) else [self.read_costs().image_size]

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
