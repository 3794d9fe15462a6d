"""The tasks that searchers are compared on: landscapes and tables, behind one protocol."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, Protocol

from ean_search.bench.synthetic import Landscape
from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult
from ean_search.search.tabular.placement_bench import PlacementBench

TABLE_VIEWS: tuple[Literal["mean", "one"], ...] = ("mean", "one")


class Task(Protocol):
    """A search problem whose best placement is known."""

    @property
    def seed(self) -> int:
        """Return the seed of the task's randomness, and of the searcher."""

    @property
    def name(self) -> str:
        """Return the name of the task, the same for all seeds."""

    @property
    def problem(self) -> Problem:
        """Return the space, the objective and the prices."""

    @property
    def reward_range(self) -> tuple[float, float]:
        """Return the least and the greatest reward."""

    @property
    def reward_std(self) -> float:
        """Return the standard deviation of the rewards of all placements."""

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Measure placements as an evaluator does."""

    def reward(self, placement: Placement) -> float:
        """Return the reward that a placement is judged by."""


def make_landscapes(sites: Iterable[int], seeds: int) -> list[Task]:
    """List landscapes: one per number of sites and seed."""
    return [Landscape(count, seed) for count in sites for seed in range(seeds)]


def make_tables(sources: Iterable[str], seeds: int) -> list[Task]:
    """List tables by name or path: each in both views, one per seed."""
    views = [(source, view) for source in sources for view in TABLE_VIEWS]
    return [PlacementBench(source, seed, view) for source, view in views for seed in range(seeds)]
