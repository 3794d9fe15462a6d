"""Tables in which every placement of a space was trained on its own: ground truth to search on.

A table is a Parquet file, one in this folder or anybody's: a row a placement, with its costs, the
accuracy of every training (`accuracy_0`, ...) and what weight-sharing networks estimate of it
(`estimate_0`, ...; with norm statistics of the placement's own, `recalibrated_0`, ...). How it was
made is in the file's metadata. `ean-search bench table` makes one.

A training's accuracy is luck in part. So a table is seen in one of two ways. With `sees="one"`, a
searcher sees one training of each placement, which one the seed says, as somebody does who trains
everything once; it is judged by the mean of the other trainings. That mean it has not seen, so luck
that it follows earns nothing, and even who has seen everything keeps some regret. With
`sees="mean"` it sees the mean of all trainings and is judged by the same: the optimum can be found,
and what is compared is the search alone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Cost, EvaluationResult
from ean_search.utils.config import parse_fields
from ean_search.utils.errors import UserError, unknown_name
from ean_search.utils.files import write_whole

SHIPPED = Path(__file__).parent
KEY = b"ean_search"  # of the metadata
COSTS = tuple(field.name for field in fields(Cost))


@dataclass(frozen=True)
class PlacementBench:
    """One table, to search on."""

    source: str  # a shipped name, or the path of a Parquet file
    seed: int = 0
    sees: Literal["mean", "one"] = "mean"
    objective: str | None = None  # the table's own if none
    limits: str | None = None

    @property
    def name(self) -> str:
        """Name the table, and how it is seen."""
        return Path(self.source).stem + (", one training" if self.sees == "one" else "")

    @property
    def about(self) -> dict[str, Any]:
        """Return how the table was made: experiment, provenance, noise."""
        return _read(self.source)[1]

    @property
    def frame(self) -> pd.DataFrame:
        """Return a row a placement."""
        return _read(self.source)[0].copy()

    @property
    def sites(self) -> int:
        """Count the sites."""
        return self.problem.space.sites

    @cached_property
    def problem(self) -> Problem:
        """Ask for what the table's experiment asks for, or for something else."""
        made = self.about["experiment"]
        space = parse_fields(Space, made["space"], f"table {self.source}")
        reward = made["search"]["objective"] if self.objective is None else self.objective
        limits = made["search"]["limits"] if self.limits is None else self.limits
        return Problem(space, Objective.parse(reward, limits), self.costs.__getitem__)

    @cached_property
    def costs(self) -> dict[Placement, Cost]:
        """Map all placements to their costs."""
        rows = _read(self.source)[0][list(COSTS)].to_dict("records")
        return {p: Cost(**row) for p, row in zip(self._placements, rows, strict=True)}

    def accuracy(self, placement: Placement) -> float:
        """Return the accuracy that a searcher sees."""
        return self._accuracies[placement][0]

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Measure placements as an evaluator does."""
        for placement in placements:
            yield EvaluationResult(self.accuracy(placement), 0.0)

    def truth(self, placement: Placement) -> float:
        """Return the accuracy that a searcher is judged by."""
        return self._accuracies[placement][1]

    def reward(self, placement: Placement) -> float:
        """Return the reward that a searcher is judged by."""
        return self.problem.reward(self.truth(placement), self.costs[placement])

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Return the least and the greatest reward within the limits."""
        return float(self._rewards.min()), float(self._rewards.max())

    @cached_property
    def best_observable_reward(self) -> float:
        """Return the greatest reward that a searcher can see: who has, learns no better."""
        problem = self.problem
        worthy = (p for p, cost in self.costs.items() if problem.feasible(cost))
        return max(problem.reward(self.accuracy(p), self.costs[p]) for p in worthy)

    @cached_property
    def spread(self) -> float:
        """Return the standard deviation of rewards within the limits."""
        return float(self._rewards.std())

    @cached_property
    def _rewards(self) -> np.ndarray:
        problem = self.problem
        worthy = [p for p, cost in self.costs.items() if problem.feasible(cost)]
        if not worthy:
            raise UserError(f"no placement of table {self.source!r} keeps the limits")
        return np.array([self.reward(placement) for placement in worthy])

    @cached_property
    def _placements(self) -> list[Placement]:
        space = parse_fields(Space, self.about["experiment"]["space"], f"table {self.source}")
        return [space.parse(text) for text in _read(self.source)[0].placement]

    @cached_property
    def _accuracies(self) -> dict[Placement, tuple[float, float]]:
        """Map placements to what is seen and what is true."""
        trainings = select(_read(self.source)[0], "accuracy").to_numpy()
        if self.sees == "mean":
            seen = truth = trainings.mean(axis=1)
        else:
            if trainings.shape[1] < 2:
                raise UserError(f"table {self.source!r} has one training, none is left to judge by")
            number = self.seed % trainings.shape[1]
            seen = trainings[:, number]
            truth = np.delete(trainings, number, axis=1).mean(axis=1)
        pairs = zip(seen.tolist(), truth.tolist(), strict=True)
        return dict(zip(self._placements, pairs, strict=True))


def select(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    """Return the columns `what_0`, `what_1`, ... of a table's frame, in their order."""
    names = [name for name in frame if name.rpartition("_")[0] == what]
    return frame[sorted(names, key=lambda name: int(name.rpartition("_")[2]))]


def shipped_tables() -> list[str]:
    """Name the tables that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.parquet"))


def write_table(frame: pd.DataFrame, about: Mapping[str, Any], path: Path) -> None:
    """Write a table with what is to be known about it."""
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({KEY: json.dumps(dict(about))})
    write_whole(path, lambda part: parquet.write_table(table, part, compression="zstd"))


def cost_columns(costs: Sequence[Cost]) -> pd.DataFrame:
    """Put costs into a frame."""
    return pd.DataFrame([asdict(cost) for cost in costs])


@cache
def _read(source: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read a table once, and see that it holds what a table does."""
    import pyarrow
    from pyarrow import parquet

    path = _find(source)
    try:
        table = parquet.read_table(path)
        about = json.loads(table.schema.metadata[KEY])
        space = about["experiment"]["space"]
    except (pyarrow.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a table of ean-search: {error}") from error
    frame = table.to_pandas()
    missing = {"placement", "accuracy_0", *COSTS} - set(frame)
    if missing:
        raise UserError(f"{path} has no column {', '.join(sorted(missing))}")
    size = parse_fields(Space, space, str(path)).size
    if frame.placement.nunique() != size or len(frame) != size:
        raise UserError(f"{path}: expected each of {size} placements once, got {len(frame)} rows")
    return frame, about


def _find(source: str) -> Path:
    path = Path(source)
    if path.suffix != ".parquet":
        if source not in shipped_tables():
            raise unknown_name("table", source, shipped_tables())
        return SHIPPED / f"{source}.parquet"
    if not path.is_file():
        raise UserError(f"no table at {path}")
    return path
