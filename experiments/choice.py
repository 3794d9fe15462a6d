"""How should a run choose its winner: by its highest estimate, or by a model of all its estimates?

    python experiments/choice.py five eight

Weight-sharing networks have estimated every placement of the tables, and every placement was
trained alone. So a choice can be judged by trainings that it never saw: the truth of the chosen
placement minus the mean truth of all placements of its count. Choices are among placements on at
most half of the sites, from all estimates of a network or from a random part of them, as many as a
search sees. Writes results/choice.csv.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from ean_search.bench.supernet_estimates import CALIBRATION_IMAGES, read_estimates
from ean_search.core.space import Space
from ean_search.retrain.compare import paired_interval
from ean_search.search.searchers.pairwise_model import PairwiseModel
from ean_search.search.tabular.placement_bench import PlacementBench, select_columns
from ean_search.utils.files import save_csv

RESULTS = Path(__file__).parents[1] / "results"
EVALUATIONS = 64  # of a search, as many as a run's by default
REPETITIONS = 40  # of searches on the same network
VARIANT = "uniform-count"  # the default way to train a weight-sharing network


def expected_by_model(space: Space, estimates: pd.Series) -> pd.Series:
    """Return what a pairwise model of the estimates expects of the same placements."""
    choices = np.array([space.parse(text).choices for text in estimates.index])
    model = PairwiseModel(space.sites, space.choices)
    model.add(choices, estimates.to_numpy(), np.zeros(len(estimates)))
    return pd.Series(model.forecast(choices).means, estimates.index)


def judge(table: PlacementBench, estimates: pd.Series) -> dict[str, float]:
    """Return the points that each way to choose gains over random placements of the same count."""
    space = table.problem.space
    truth = select_columns(table.frame.set_index("placement"), "accuracy").mean(axis=1)
    counts = pd.Series({text: space.parse(text).attached for text in truth.index})
    chance = truth.groupby(counts).mean()
    few = estimates.index[counts[estimates.index] <= space.sites // 2]
    ways = {"highest estimate": estimates, "model": expected_by_model(space, estimates)}
    chosen = {way: values[few].idxmax() for way, values in ways.items()}
    return {way: 100 * (truth[text] - chance[counts[text]]) for way, text in chosen.items()}


def gains(table: PlacementBench, networks: pd.DataFrame, count: int | None) -> pd.DataFrame:
    """Return the mean gain of each way to choose, one row per network."""
    rng, rows = np.random.default_rng(0), []
    for estimates in (networks[seed].dropna() for seed in networks):
        drawn = (
            [estimates]
            if count is None
            else [
                estimates.iloc[rng.permutation(len(estimates))[:count]] for _ in range(REPETITIONS)
            ]
        )
        rows.append(pd.DataFrame([judge(table, part) for part in drawn]).mean())
    return pd.DataFrame(rows)


def compare(name: str) -> Iterator[dict[str, object]]:
    """Yield the rows of one table."""
    table, found = PlacementBench(name), read_estimates(RESULTS / f"estimates_{name}.jsonl")
    for images in CALIBRATION_IMAGES:
        rows = found[(found.variant == VARIANT) & (found.calibration_images == images)]
        single = rows.pivot_table(index="placement", columns="seed", values="estimate")
        mean = single.mean(axis=1).to_frame("mean")
        for networks, averaged in ((single, 1), (mean, single.shape[1])):
            for count in (None, EVALUATIONS):
                by_network = gains(table, networks, count)
                for way in by_network:
                    middle, half = paired_interval(by_network[way].to_numpy())
                    yield {
                        "table": name,
                        "calibration_images": images,
                        "averaged": averaged,
                        "evaluations": count or len(networks),
                        "choice": way,
                        "networks": len(by_network),
                        "gain": middle,
                        "low": middle - half,
                        "high": middle + half,
                    }


def main() -> None:
    """Compare the ways to choose on tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tables", nargs="+")
    frame = pd.DataFrame([row for name in parser.parse_args().tables for row in compare(name)])
    save_csv(frame, RESULTS / "choice.csv", "%.3g")
    print(frame.round(2).to_string(index=False))


if __name__ == "__main__":
    main()
