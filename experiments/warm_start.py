"""Does another run's knowledge help? Search tables of trainings, cold and after a warm start.

    python experiments/warm_start.py eight five

The other run searches what a weight-sharing network estimates, as a run with shared weights does.
Then the default searcher looks for the best training, with and without those trials. The script
shows geometric means of the evaluations to 1 % regret, and mean regrets after 20 of them.
"""

import argparse
from collections.abc import Iterator, Sequence

import numpy as np

from ean_search.bench.simulate import REGRET_GOALS, compute_regrets
from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult, Trial
from ean_search.search.evaluator import Evaluator
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.registry import DEFAULT_SEARCHER, make_searcher
from ean_search.search.tabular.placement_bench import PlacementBench, select_columns
from ean_search.search.trial_log import InMemoryTrialLog

EARLY = 20  # evaluations


class Estimates:
    """An evaluator that gives what one weight-sharing network estimates."""

    def __init__(self, table: PlacementBench, kind: str) -> None:
        estimates = select_columns(table.frame, kind)
        column = estimates.iloc[:, table.seed % estimates.shape[1]]
        self._estimates = dict(zip(table.costs, column.tolist(), strict=True))

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """Yield the estimated accuracies."""
        for placement in placements:
            yield EvaluationResult(self._estimates[placement], 0.0)


def search(
    table: PlacementBench, evaluator: Evaluator, budget: int, earlier: Sequence[Trial] = ()
) -> list[Trial]:
    """Search with the default searcher, after a warm start if there are earlier trials."""
    searcher, log = make_searcher(DEFAULT_SEARCHER, table.problem), InMemoryTrialLog()
    if earlier:
        searcher.warm_start(earlier)
    run_search(table.problem, searcher, evaluator, log, SearchSettings(budget, seed=table.seed))
    return log.trials


def measure(table: PlacementBench, trials: Sequence[Trial]) -> tuple[int, float]:
    """Return the evaluations until 1 % regret, and the regret after the first few."""
    best = [max(trials[:n], key=lambda t: t.reward) for n in range(1, len(trials) + 1)]
    regrets = compute_regrets([trial.placement for trial in best], table)
    low, high = table.reward_range
    reached = regrets <= REGRET_GOALS[0] * (high - low) / table.reward_std
    return int(reached.argmax()) + 1, float(regrets[EARLY - 1])


def compare(source: str, seeds: int, budget: int, kind: str) -> dict[str, np.ndarray]:
    """Search a table cold and warm; return what `measure` says, (seeds, 2) each."""
    found: dict[str, list[tuple[int, float]]] = {"cold": [], "warm": []}
    for seed in range(seeds):
        table = PlacementBench(source, seed)
        size = table.problem.space.size
        earlier = search(table, Estimates(table, kind), budget)
        found["cold"].append(measure(table, search(table, table, size)))
        found["warm"].append(measure(table, search(table, table, size, earlier)))
    return {name: np.array(rows) for name, rows in found.items()}


def main() -> None:
    """Print the comparison of each table."""
    parser = argparse.ArgumentParser(description="Searches of tables, cold and warm.")
    parser.add_argument("tables", nargs="+", help="names of tables, or their files")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--budget", type=int, default=64, help="of the search among estimates")
    parser.add_argument("--estimates", default="recalibrated", help="columns of the table")
    args = parser.parse_args()
    for source in args.tables:
        found = compare(source, args.seeds, args.budget, args.estimates)
        for name, rows in found.items():
            evaluations, regret = np.exp(np.log(rows[:, 0]).mean()), rows[:, 1].mean()
            print(f"{source}, {name}: {evaluations:.1f} to 1 % regret, {regret:.2f} after {EARLY}")


if __name__ == "__main__":
    main()
