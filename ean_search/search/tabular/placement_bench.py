"""Tables in which every placement of a space was trained separately: a benchmark for searchers.

A table is a Parquet file, in this folder or elsewhere. It has one row per placement, with its
costs, the accuracies of its trainings (`accuracy_0`, ...) and the accuracies that weight-sharing
networks estimate (`estimate_0`, ...; `recalibrated_0`, ... with norm statistics computed for each
placement). The file's metadata says how the table was made. `ean-search bench table` makes one.

The accuracy of a training is partly random, so there are two ways to use a table:

- `sees="one"`: The searcher sees one training of each placement; the seed selects which. It is
  judged by the mean of the other trainings, which it does not see. A searcher that follows random
  differences gains nothing, and even after all evaluations there is some regret left.
- `sees="mean"`: The searcher sees the mean of all trainings, and is judged by the same mean. It can
  find the optimum, so that only the search is compared.
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
from ean_search.utils.files import write_atomically
from ean_search.utils.trust import mark_foreign

SHIPPED = Path(__file__).parent
METADATA_KEY = b"ean_search"
COSTS = tuple(field.name for field in fields(Cost))


@dataclass(frozen=True)
class PlacementBench:
    """A table as a search problem and its evaluator.

    Attributes:
        source: The name of a shipped table, or the path of a Parquet file.
        seed: With `sees="one"`, selects the training that the searcher sees.
        sees: Whether the searcher sees the mean of all trainings, or one of them.
        objective: The objective; by default, that of the table's experiment.
        limits: The limits; by default, those of the table's experiment.

    Example:
        >>> bench = PlacementBench("eight", limits="sites <= 4")
        >>> searcher = make_searcher("surrogate", bench.problem)
        >>> log = InMemoryTrialLog()
        >>> run_search(bench.problem, searcher, bench, log, SearchSettings(budget=60))
        >>> best = max(log.trials, key=lambda trial: trial.reward)
        >>> regret = bench.reward_range[1] - bench.reward(best.placement)
    """

    source: str
    seed: int = 0
    sees: Literal["mean", "one"] = "mean"
    objective: str | None = None
    limits: str | None = None

    @property
    def name(self) -> str:
        """Return the name of the table, with a suffix if one training is seen."""
        return Path(self.source).stem + (", one training" if self.sees == "one" else "")

    @property
    def metadata(self) -> dict[str, Any]:
        """Return how the table was made: its experiment, its provenance, its noise."""
        return _read(self.source)[1]

    @property
    def frame(self) -> pd.DataFrame:
        """Return a copy of the table, one row per placement."""
        frame: pd.DataFrame = _read(self.source)[0].copy()
        return frame

    @property
    def sites(self) -> int:
        """Return the number of sites."""
        return self.problem.space.sites

    @cached_property
    def problem(self) -> Problem:
        """Return the space, the objective and the costs."""
        experiment = self.metadata["experiment"]
        space = parse_fields(Space, experiment["space"], f"table {self.source}")
        reward = experiment["search"]["objective"] if self.objective is None else self.objective
        limits = experiment["search"]["limits"] if self.limits is None else self.limits
        return Problem(space, Objective.parse(reward, limits), self.costs.__getitem__)

    @cached_property
    def costs(self) -> dict[Placement, Cost]:
        """Map all placements to their costs."""
        rows = _read(self.source)[0].loc[:, list(COSTS)].to_dict("records")
        costs = [Cost(**{str(name): value for name, value in row.items()}) for row in rows]
        return dict(zip(self._placements, costs, strict=True))

    def accuracy(self, placement: Placement | str) -> float:
        """Return the accuracy that a searcher sees."""
        return self._accuracies[self._find(placement)][0]

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Yield the accuracies that a searcher sees, as an evaluator."""
        error = self.standard_error
        for placement in placements:
            yield EvaluationResult(self.accuracy(placement), 0.0, standard_error=error)

    @cached_property
    def standard_error(self) -> float | None:
        """Return the standard error of what a searcher sees; None if it is judged by the same.

        It is the standard deviation of a placement's trainings, pooled over all placements.
        """
        if self.sees == "mean":
            return None
        trainings = select_columns(_read(self.source)[0], "accuracy").to_numpy()
        return float(trainings.var(axis=1, ddof=1).mean() ** 0.5)

    def true_accuracy(self, placement: Placement | str) -> float:
        """Return the accuracy that a searcher is judged by."""
        return self._accuracies[self._find(placement)][1]

    def _find(self, placement: Placement | str) -> Placement:
        """Return a placement, or that of a text or a name."""
        return self.problem.space.parse(placement) if isinstance(placement, str) else placement

    def reward(self, placement: Placement | str) -> float:
        """Return the reward that a searcher is judged by."""
        placement = self._find(placement)
        return self.problem.reward(self.true_accuracy(placement), self.costs[placement])

    @cached_property
    def reward_range(self) -> tuple[float, float]:
        """Return the lowest and the highest `reward` of the placements that keep the limits."""
        return float(self._rewards.min()), float(self._rewards.max())

    @cached_property
    def best_observable_reward(self) -> float:
        """Return the highest reward that a searcher can see; a run may stop there."""
        seen = (self.problem.reward(self.accuracy(p), self.costs[p]) for p in self._feasible)
        return max(seen)

    @cached_property
    def reward_std(self) -> float:
        """Return the standard deviation of `reward` over the placements that keep the limits."""
        return float(self._rewards.std())

    @cached_property
    def _rewards(self) -> np.ndarray:
        return np.array([self.reward(placement) for placement in self._feasible])

    @cached_property
    def _feasible(self) -> list[Placement]:
        feasible = [p for p, cost in self.costs.items() if self.problem.feasible(cost)]
        if not feasible:
            raise UserError(f"no placement of table {self.source!r} keeps the limits")
        return feasible

    @cached_property
    def _placements(self) -> list[Placement]:
        space = parse_fields(Space, self.metadata["experiment"]["space"], f"table {self.source}")
        return [space.parse(text) for text in _read(self.source)[0].placement]

    @cached_property
    def _accuracies(self) -> dict[Placement, tuple[float, float]]:
        """Map placements to the accuracy that is seen and the true accuracy."""
        trainings = select_columns(_read(self.source)[0], "accuracy").to_numpy()
        if self.sees == "mean":
            seen = true = trainings.mean(axis=1)
        else:
            if trainings.shape[1] < 2:
                raise UserError(f"table {self.source!r} has one training, none is left to judge by")
            number = self.seed % trainings.shape[1]
            seen = trainings[:, number]
            true = np.delete(trainings, number, axis=1).mean(axis=1)
        pairs = zip(seen.tolist(), true.tolist(), strict=True)
        return dict(zip(self._placements, pairs, strict=True))


def select_columns(frame: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """Select the numbered columns of a table.

    Args:
        frame: The frame of a table.
        prefix: `accuracy`, `estimate` or `recalibrated`.

    Returns:
        The columns `prefix_0`, `prefix_1`, ..., in this order.
    """
    names = [name for name in map(str, frame.columns) if name.rpartition("_")[0] == prefix]
    names.sort(key=lambda name: int(name.rpartition("_")[2]))
    columns: pd.DataFrame = frame.loc[:, names]
    return columns


def shipped_tables() -> list[str]:
    """List the names of the tables that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.parquet"))


def write_table(frame: pd.DataFrame, metadata: Mapping[str, Any], path: Path) -> None:
    """Write a table.

    Args:
        frame: One row per placement: `placement`, the fields of `Cost`, and numbered columns.
        metadata: JSON values; `experiment` must hold the space, the objective and the limits.
        path: The Parquet file.
    """
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({METADATA_KEY: json.dumps(dict(metadata))})
    write_atomically(path, lambda part: parquet.write_table(table, part, compression="zstd"))


def cost_columns(costs: Sequence[Cost]) -> pd.DataFrame:
    """Make a frame of costs: one row per cost, one column per field."""
    frame: pd.DataFrame = pd.DataFrame([asdict(cost) for cost in costs])
    return frame


@cache
def _read(source: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read and validate a table, once per process; return its frame and its metadata."""
    import pyarrow
    from pyarrow import parquet

    path = _find_file(source)
    try:
        table = parquet.read_table(path)
        metadata = mark_foreign(json.loads(table.schema.metadata[METADATA_KEY]), ())
        space = metadata["experiment"]["space"]
    except (pyarrow.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a table of ean-search: {error}") from error
    frame: pd.DataFrame = table.to_pandas()
    missing = {"placement", "accuracy_0", *COSTS} - set(frame)
    if missing:
        raise UserError(f"{path} has no column {', '.join(sorted(missing))}")
    size = parse_fields(Space, space, str(path)).size
    if frame.placement.nunique() != size or len(frame) != size:
        raise UserError(f"{path}: expected each of {size} placements once, got {len(frame)} rows")
    return frame, metadata


def _find_file(source: str) -> Path:
    path = Path(source)
    if path.suffix != ".parquet":
        if source not in shipped_tables():
            raise unknown_name("table", source, shipped_tables())
        return SHIPPED / f"{source}.parquet"
    if not path.is_file():
        raise UserError(f"no table at {path}")
    return path
