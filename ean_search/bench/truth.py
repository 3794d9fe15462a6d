"""Every placement of a small space trained on its own: what estimates are to be compared with.

One line a training is appended to a file, so that it can be stopped and continued, and extended
by more seeds. All placements of a seed share the order of the data and the first weights.
"""

import json
from pathlib import Path

import pandas as pd

from ean_search.data import load_data
from ean_search.evaluate import score
from ean_search.experiment import Experiment
from ean_search.lookup import UserError
from ean_search.network import build, prune
from ean_search.progress import Progress, silent
from ean_search.train import fit

MOST = 1024  # placements that anybody would train one by one


def train_all(
    experiment: Experiment, path: Path, seeds: int, progress: Progress = silent
) -> pd.DataFrame:
    """Train what is not in the file yet; return accuracies on the search split."""
    space = experiment.space
    if space.size > MOST:
        raise UserError(
            f"expected a space of at most {MOST} placements, got {space.size:,} in {space.name!r}"
        )
    known = read_truth(path)
    done = set(zip(known.placement, known.seed, strict=True))
    todo = [
        (seed, p) for seed in range(seeds) for p in space.enumerate() if (str(p), seed) not in done
    ]
    data = load_data(experiment.data)
    for number, (seed, placement) in enumerate(todo):
        progress("stand-alone training", number, len(todo), str(placement))
        network = prune(build(space, data.classes, seed), placement)
        fit(network, data.train, experiment.supernet.recipe, seed=seed, device=experiment.device)
        batches = data.search.batches(experiment.eval_batch, device=experiment.device)
        row = {"placement": str(placement), "seed": seed, "accuracy": score(network, batches)}
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
    truth = read_truth(path)
    return truth[truth.seed < seeds].reset_index(drop=True)


def read_truth(path: Path) -> pd.DataFrame:
    """Read what has been trained so far."""
    if not path.is_file():
        return pd.DataFrame(columns=["placement", "seed", "accuracy"])
    lines = path.read_text().splitlines()
    return pd.DataFrame([json.loads(line) for line in lines])


def f_statistic(truth: pd.DataFrame) -> float:
    """Compare the spread between placements with what is left within them, seeds being paired."""
    table = truth.pivot(index="placement", columns="seed", values="accuracy").to_numpy(float)
    placements, seeds = table.shape
    rows, columns = table.mean(1, keepdims=True), table.mean(0, keepdims=True)
    rest = table - rows - columns + table.mean()
    between = seeds * rows.var(ddof=1)
    within = (rest**2).sum() / ((placements - 1) * (seeds - 1))
    return float(between / within)
