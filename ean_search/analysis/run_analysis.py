"""Everything a report shows of one run, as frames; and what a half-written run lacks, as lines.

Draws nothing and imports no torch, unless a controller that needs it is replayed.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import yaml

from ean_search.analysis.history import history
from ean_search.analysis.policy_replay import proposal_shares, replay
from ean_search.analysis.rank_correlation import agreement_frame
from ean_search.analysis.run_folder import TRIAL_COLUMNS, Run, load_run
from ean_search.analysis.site_effects import site_frame
from ean_search.core import pareto
from ean_search.core.trial import Cost
from ean_search.utils.errors import UserError

T = TypeVar("T")
MADE = {  # what a run leaves, and what it means if it is not there
    "experiment.yaml": "the run was stopped before it began, or this is no run's folder",
    "provenance.json": "what the run was made with is not known",
    "costs.json": "costs have not been measured yet",
    "trials.jsonl": "the search has not begun",
    "summary.json": "the run has not come to its conclusions yet",
}
BROKEN = (UserError, OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError)


def open_run(path: Path) -> Run:
    """Open a run's folder, even one that was only just made."""
    if path.is_dir() and all(entry.name == "provenance.json" for entry in path.iterdir()):
        return Run(path)
    return load_run(path)


@dataclass(frozen=True)
class RunAnalysis:
    """What one run found. Each frame is made when asked for; what cannot be made is noted."""

    run: Run
    notes: dict[str, str] = field(default_factory=dict)  # what is missing, and why

    @property
    def name(self) -> str:
        """Name the run by its folder, and its space if that says more."""
        space = self.fields.get("space", {}).get("name", "")
        folder = self.run.path.resolve().name
        return folder if not space or folder == space else f"{space}/{folder}"

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Read the experiment; nothing if there is none."""
        return self._read("experiment.yaml", lambda: dict(self.run.fields), {})

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Read what the run concluded."""
        return self._read("summary.json", lambda: json.loads(self.run.summary_file.read_text()), {})

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Read what the run was made with."""
        read = self.run.provenance_file.read_text
        return self._read("provenance.json", lambda: json.loads(read()), {})

    @cached_property
    def trials(self) -> pd.DataFrame:
        """Give the tidy frame of all trials."""
        empty = pd.DataFrame(columns=list(TRIAL_COLUMNS))
        return self._read("trials.jsonl", self.run.frame, empty)

    @property
    def measured(self) -> pd.DataFrame:
        """Give the trials that were evaluated to the end, those over a limit included."""
        return self.trials[self.trials.status.isin(("done", "infeasible")) & self._has_accuracy]

    @property
    def _has_accuracy(self) -> pd.Series:
        return self.trials.accuracy.notna()

    @property
    def axes(self) -> list[str]:
        """List the cost axes, the run's own first."""
        names = [f for f in Cost.__dataclass_fields__ if f != self.axis]
        return [self.axis, *names]

    @property
    def axis(self) -> str:
        """Name the run's own cost axis."""
        return self.run.cost_axis if "cost_axis" in self.fields else "latency_ms"

    def front(self, x: str | None = None) -> pd.DataFrame:
        """Give the members of the front against a cost axis."""
        done = self.trials[(self.trials.status == "done") & self._has_accuracy]
        return pareto.front(done, x or self.axis) if len(done) else done

    @cached_property
    def marks(self) -> pd.DataFrame:
        """Give the placements that have names, and the mean of the random ones, with costs."""
        named = self.measured[self.measured.note.isin(self.run.space.named)] if self.fields else ()
        rows = pd.DataFrame(named, columns=list(TRIAL_COLUMNS)).rename(columns={"note": "name"})
        rows = rows[["name", "placement", "accuracy", *Cost.__dataclass_fields__]]
        chance = self._read("random placements", self._chance, [])
        return pd.concat([rows.assign(deviation=0.0), pd.DataFrame(chance)], ignore_index=True)

    def _chance(self) -> list[dict[str, Any]]:
        """Average the random placements that the summary compares with."""
        random = self.summary.get("comparison", {}).get("random")
        if not random:
            return []
        table = self.run.read_costs()
        costs = [asdict(table.price(self.run.find(text))) for text in random["placements"]]
        found = {"name": "random", "placement": f"mean of {len(costs)} random placements"}
        found |= {"accuracy": random["accuracy"], "deviation": random["deviation"]}
        return [found | pd.DataFrame(costs).mean().to_dict()]

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """Give best, knee, none, all and random as the run compared them in the end."""
        rows = self.summary.get("comparison", {})
        frame = pd.DataFrame.from_dict(rows, orient="index")
        return frame.rename_axis("name").reset_index()

    @cached_property
    def sites(self) -> pd.DataFrame | None:
        """Give every site's share of the front and its effect."""
        if self.measured.empty:
            return None
        return self._read("sites", self._sites, None)

    def _sites(self) -> pd.DataFrame:
        return site_frame(self.trials, self.front(), self.run.space)

    @cached_property
    def history(self) -> pd.DataFrame | None:
        """Give the best so far and the hypervolume after every trial."""
        done = (self.trials.status == "done").any()
        return history(self.trials, self.axis) if done else None

    @cached_property
    def policy(self) -> pd.DataFrame | None:
        """Give the controller's probabilities at every step; none for searchers without them."""
        if self.trials.empty:
            return None
        return self._read("policy", lambda: replay(self.run), None)

    @cached_property
    def proposals(self) -> pd.DataFrame | None:
        """Give what was proposed lately at every step, whoever did it."""
        if self.trials.empty:
            return None
        return self._read(
            "proposals", lambda: proposal_shares(self.run.read_trials(), self.run.space), None
        )

    @cached_property
    def agreement(self) -> pd.DataFrame:
        """Give estimates beside accuracies of networks that were trained alone."""
        return self._read("trainings", lambda: agreement_frame(self.run), pd.DataFrame())

    @cached_property
    def costs(self) -> pd.DataFrame | None:
        """Give what every attention adds at every site."""
        return self._read("costs.json", self._costs, None)

    def _costs(self) -> pd.DataFrame:
        space, rows = self.run.space, []
        for site, row in enumerate(self.run.read_costs().attachments):
            for choice, attachment in zip(space.attention, row, strict=True):
                where = {"site": site, "stage": space.groups[site], "attention": choice.name}
                rows.append(where | asdict(attachment))
        return pd.DataFrame(rows)

    def missing(self) -> list[str]:
        """List what is not there, or could not be read, and why."""
        for name, reason in MADE.items():
            if not (self.run.path / name).is_file():
                self.notes[name] = f"not there: {reason}"
        for make in ("fields", "summary", "provenance", "trials", "marks", "sites", "policy"):
            getattr(self, make)
        _ = self.agreement, self.costs
        return [f"{name}: {reason}" for name, reason in self.notes.items()]

    def _read(self, what: str, read: Callable[[], T], instead: T) -> T:
        try:
            return read()
        except BROKEN as error:
            self.notes.setdefault(what, " ".join(str(error).split()) or type(error).__name__)
            return instead
