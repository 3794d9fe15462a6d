"""What searchers are compared on: landscapes and tables alike."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from ean_search.bench.synthetic import Landscape
from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult
from ean_search.search.tabular.placement_bench import PlacementBench


class Task(Protocol):
    """Something to search on, whose best placement is known."""

    seed: int  # of the task's own luck, and of the searcher's

    @property
    def name(self) -> str:
        """Name the task, the same for all seeds."""

    @property
    def problem(self) -> Problem:
        """Say what is asked for."""

    @property
    def ends(self) -> tuple[float, float]:
        """Return the least and the greatest reward."""

    @property
    def spread(self) -> float:
        """Return the standard deviation of the rewards of all placements."""

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Measure placements as an evaluator does."""

    def reward(self, placement: Placement) -> float:
        """Return the reward that a placement is judged by."""


def make_landscapes(sites: Iterable[int], seeds: int) -> list[Task]:
    """List landscapes of so many sites, one a seed."""
    return [Landscape(count, seed) for count in sites for seed in range(seeds)]


def make_tables(sources: Iterable[str], seeds: int) -> list[Task]:
    """List both views of each table, as often as there are seeds."""
    views = [(source, sees) for source in sources for sees in ("mean", "one")]
    return [PlacementBench(source, seed, sees) for source, sees in views for seed in range(seeds)]
