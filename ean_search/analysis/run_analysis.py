"""All that a report shows of one run, as frames, and all that is missing from it, as lines."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import yaml

from ean_search.analysis.caveats import has_random_placements
from ean_search.analysis.history import history
from ean_search.analysis.policy_replay import proposal_shares, replay_policy
from ean_search.analysis.rank_correlation import agreement_frame
from ean_search.analysis.run_folder import Run, load_run
from ean_search.analysis.site_effects import site_frame
from ean_search.analysis.trial_frame import COST_FIELDS, TRIAL_COLUMNS
from ean_search.core import pareto
from ean_search.core.score import ACCURACY, Score
from ean_search.utils.errors import UserError

T = TypeVar("T")
COMPARISON_COLUMNS = (  # of comparison.csv, as far as the page shows them
    "name", "placement", "seeds", "accuracy", "deviation", "found_minus_this", "low", "high",
    "sites", "latency_ms", "latency_x",
)  # fmt: skip
READ_ERRORS = (  # what reading a broken file may raise
    UserError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    yaml.YAMLError,
)


def open_run(path: Path) -> Run:
    """Open a run's folder, even one that was only just made.

    Args:
        path: The folder; it may be empty or lack any of the files of a run.

    Raises:
        UserError: If the folder holds other files, or does not exist.
    """
    first_file = Run(path).provenance_file.name
    if path.is_dir() and all(entry.name == first_file for entry in path.iterdir()):
        return Run(path)
    return load_run(path)


def _meaning_of_absence(run: Run) -> dict[Path, str]:
    """Map each file of a finished run to what it means if the file is not there."""
    return {
        run.experiment_file: "the run was stopped before it began, or this is no run's folder",
        run.provenance_file: "what the run was made with is not known",
        run.costs_file: "costs have not been measured yet",
        run.trials_file: "the search has not begun",
        run.summary_file: "the run has not come to its conclusions yet",
    }


def _read_rows(comparison: Path) -> pd.DataFrame | None:
    """Read a comparison of retrained placements; raises what READ_ERRORS lists."""
    frame = pd.read_csv(comparison, dtype={"name": str, "placement": str})
    frame[[*COMPARISON_COLUMNS]]  # raises where one is missing
    if frame.empty:
        raise UserError("it has no rows")
    return frame


@dataclass(frozen=True)
class RunAnalysis:
    """What one run found. Each frame is computed when it is first asked for.

    A run may be unfinished or damaged: what cannot be read is empty or None, and `problems` lists
    the reasons.

    Args:
        run: The run, or its folder.

    Example:
        >>> analysis = RunAnalysis("results/example")
        >>> analysis.front()[["placement", "accuracy", "latency_ms"]]
        >>> analysis.sites.sort_values("effect")
    """

    run: Run
    _reasons: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.run, Run):
            # A notebook may give the path.
            object.__setattr__(self, "run", open_run(Path(self.run)))  # type: ignore[unreachable]

    @property
    def name(self) -> str:
        """The run's folder, after the name of its space if that is another one."""
        space = self.fields.get("space", {}).get("name", "")
        folder = self.run.path.resolve().name
        return folder if not space or folder == space else f"{space}/{folder}"

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The fields of the experiment."""
        return self._read(self.run.experiment_file.name, lambda: dict(self.run.fields), {})

    @cached_property
    def score(self) -> Score:
        """What the search measured of placements; accuracy if the experiment cannot be read."""
        return self._read(self.run.experiment_file.name, lambda: self.run.score, ACCURACY)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The conclusions of the run."""
        return self._read_json(self.run.summary_file)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """The versions and the hardware that the run was made with."""
        return self._read_json(self.run.provenance_file)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial, as `trial_frame` describes it."""
        empty: pd.DataFrame = pd.DataFrame(columns=[*TRIAL_COLUMNS])
        return self._read(self.run.trials_file.name, self.run.frame, empty)

    @property
    def evaluated(self) -> pd.DataFrame:
        """The trials that were evaluated to the end, also those over a limit."""
        status, accuracy = self.trials["status"], self.trials["accuracy"]
        evaluated: pd.DataFrame = self.trials[
            status.isin(("done", "infeasible")) & accuracy.notna()
        ]
        return evaluated

    @property
    def cost_axis(self) -> str:
        """The run's own cost axis, a field of `Cost`."""
        return self.run.cost_axis if "cost_axis" in self.fields else "latency_ms"

    @property
    def cost_axes(self) -> list[str]:
        """All cost axes, the run's own first."""
        return [self.cost_axis, *(axis for axis in COST_FIELDS if axis != self.cost_axis)]

    def front(self, x: str | None = None) -> pd.DataFrame:
        """Return the members of the front of accuracy against a cost, cheapest first.

        Args:
            x: The cost axis, a field of `Cost`; the run's own if None.
        """
        evaluated = self.evaluated
        done: pd.DataFrame = evaluated[evaluated["status"] == "done"]
        return pareto.front(done, x or self.cost_axis) if len(done) else done

    @cached_property
    def judged_front(self) -> pd.DataFrame:
        """The front as the run judged it at its end, on images apart; empty if it did not."""
        judged: pd.DataFrame = pd.DataFrame(self.summary.get("front", []))
        return judged if "judged_accuracy" in judged else judged.iloc[:0]

    @cached_property
    def reference_placements(self) -> pd.DataFrame:
        """The placements that have names, and the mean of the random ones.

        One row per name: `name`, `placement`, `accuracy`, `deviation` (of the random ones'
        accuracies), and the costs.
        """
        names = [*self.run.space.named] if self.fields else []
        named = self.evaluated[self.evaluated["note"].isin(names)].rename(columns={"note": "name"})
        named = named[["name", "placement", "accuracy", *COST_FIELDS]].assign(deviation=0.0)
        no_rows: list[dict[str, Any]] = []
        random = pd.DataFrame(self._read("random placements", self._random_mean, no_rows))
        both: pd.DataFrame = pd.concat([named, random], ignore_index=True)
        return both

    def _random_mean(self) -> list[dict[str, Any]]:
        """Average the random placements that the summary compares with, if it has such."""
        comparison = self.summary.get("comparison", {})
        if not has_random_placements(comparison):
            return []
        random = comparison["random"]
        table = self.run.read_costs()
        costs = [asdict(table.price(self.run.find(text))) for text in random["placements"]]
        row = {
            "name": "random",
            "placement": f"mean of {len(costs)} random placements",
            "accuracy": random["accuracy"],
            "deviation": random["deviation"],
        }
        means = pd.DataFrame(costs).mean()
        return [row | {name: float(means[name]) for name in COST_FIELDS}]

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """The placements best, knee, none, all and random, as the run compared them at its end."""
        rows = self.summary.get("comparison", {})
        frame = pd.DataFrame.from_dict(rows, orient="index")
        named: pd.DataFrame = frame.rename_axis("name").reset_index()
        return named

    @cached_property
    def sites(self) -> pd.DataFrame | None:
        """The share of the front and the effect of each site, as `site_frame` describes it."""
        if self.evaluated.empty:
            return None
        return self._read(
            "sites", lambda: site_frame(self.trials, self.front(), self.run.space), None
        )

    @cached_property
    def history(self) -> pd.DataFrame | None:
        """The best so far and the hypervolume after every trial, as `history` describes it."""
        done = (self.trials["status"] == "done").any()
        return history(self.trials, self.cost_axis) if done else None

    @cached_property
    def policy(self) -> pd.DataFrame | None:
        """The searcher's policy at every step; None for searchers that have none."""
        if self.trials.empty:
            return None
        return self._read("policy", lambda: replay_policy(self.run), None)

    @cached_property
    def proposals(self) -> pd.DataFrame | None:
        """The shares of the latest proposals at every step, for every searcher."""
        if self.trials.empty:
            return None
        return self._read(
            "proposals", lambda: proposal_shares(self.run.read_trials(), self.run.space), None
        )

    @cached_property
    def agreement(self) -> pd.DataFrame:
        """The estimates beside the accuracies of networks that were trained alone."""
        empty: pd.DataFrame = pd.DataFrame()
        return self._read("trainings", lambda: agreement_frame(self.run), empty)

    @cached_property
    def retrained(self) -> dict[str, pd.DataFrame]:
        """The comparisons of retrained placements (`retrain --compare`), by the recipe in words."""
        no_files: dict[str, Path] = {}
        files = self._read("retrain", self.run.comparisons, no_files)
        frames = {
            recipe: self._read(
                str(file.relative_to(self.run.path)), partial(_read_rows, file), None
            )
            for recipe, file in files.items()
        }
        return {recipe: frame for recipe, frame in frames.items() if frame is not None}

    @cached_property
    def cost_image_sizes(self) -> list[int]:
        """The size of the images that costs were measured for, in pixels; empty if not known."""
        return self._read(self.run.costs_file.name, self.run.cost_image_sizes, list[int]())

    @cached_property
    def costs(self) -> pd.DataFrame | None:
        """What every attention adds at every site: one row for each of them."""
        return self._read(self.run.costs_file.name, self._costs, None)

    def _costs(self) -> pd.DataFrame:
        space, rows = self.run.space, []
        for site, attachments in enumerate(self.run.read_costs().attachments):
            for choice, attachment in zip(space.attention, attachments, strict=True):
                stage = space.stage_of_site[site]
                row = {"site": site, "stage": stage, "attention": choice.name}
                rows.append(row | asdict(attachment))
        frame: pd.DataFrame = pd.DataFrame(rows)
        return frame

    def problems(self) -> list[str]:
        """List the parts that are not there or could not be read, each with the reason."""
        for file, meaning in _meaning_of_absence(self.run).items():
            if not file.is_file():
                self._reasons[file.name] = f"not there: {meaning}"
        # Reading everything finds what cannot be read.
        _ = self.fields, self.summary, self.provenance, self.trials, self.reference_placements
        _ = self.sites, self.policy, self.agreement, self.costs, self.retrained
        return [f"{part}: {reason}" for part, reason in self._reasons.items()]

    def _read_json(self, file: Path) -> dict[str, Any]:
        return self._read(file.name, lambda: dict(json.loads(file.read_text())), {})

    def _read(self, part: str, read: Callable[[], T], default: T) -> T:
        """Read a part; if that fails, note the reason and return the default."""
        try:
            return read()
        except READ_ERRORS as error:
            self._reasons.setdefault(part, " ".join(str(error).split()) or type(error).__name__)
            return default
