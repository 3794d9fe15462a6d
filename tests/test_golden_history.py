"""Seeded searches against stored histories: a change of structure must change no line of them.

The histories on tables are the same on every machine. The one of a trained network depends on how
its processor rounds, so it says on which it was made. `python -m tests.test_golden_history` writes
them all again, for a change that is meant to change them.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import pytest
import torch

import ean_search

T = TypeVar("T")
GOLDEN = Path(__file__).parent / "golden"
SEARCHERS = "random all local evolution surrogate optuna-tpe optuna-nsga2 ean reinforce".split()
TABLE_BUDGET = 40
RUN = {
    "space": {"base": "tiny"},
    "data.options": {"train": 2400, "test": 100},
    "data.search_per_class": 20,
    "supernet.recipe.epochs": 3,
    "search.budget": 12,
    "search.judge_share": 0,  # as when it was stored
    "search.objective": "accuracy - 0.02 sites",  # of figures that no stopwatch gives
    "search.limits": "sites <= 3",
    "device": "cpu",
}


def line_of(trial) -> str:
    accuracy = None if trial.accuracy is None else round(trial.accuracy, 9)
    about = {"number": trial.number, "step": trial.step, "placement": str(trial.placement)}
    about |= {"status": trial.status, "accuracy": accuracy, "reward": round(trial.reward, 9)}
    cost = trial.cost
    about |= {"sites": cost.sites, "params": cost.params, "macs": cost.macs, "flops": cost.flops}
    return json.dumps(about | {"note": trial.note})


def search_table(searcher: str, folder: Path) -> list[str]:
    """Search the table of eight sites as a run would."""
    table = ean_search.PlacementBench("eight")
    store = ean_search.TrialLog(folder / "trials.jsonl", table.problem.space)
    made = ean_search.make_searcher(searcher, table.problem)
    settings = ean_search.SearchSettings(TABLE_BUDGET, cohort=4, seed=1)
    ean_search.run_search(table.problem, made, table, store, settings)
    return [line_of(trial) for trial in store.trials]


def in_one_thread(compute: Callable[[], T]) -> T:
    """Compute something whose sums have one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return compute()
    finally:
        torch.set_num_threads(threads)


def search_network(folder: Path) -> list[str]:
    """Do a whole small run."""
    run = ean_search.start_run(ean_search.load_experiment(None, RUN), folder / "run")
    in_one_thread(partial(ean_search.do_run, run))
    return [line_of(trial) for trial in run.read_trials()]


def processor() -> str:
    """Name what decides how floating-point sums are rounded, and show how they are.

    Processors of one capability may have different kernels, so a small training step is computed.
    """
    kernels = torch.backends.cpu.get_cpu_capability()
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(8, 16, 32, 32, generator=generator)
    weights = torch.randn(32, 16, 3, 3, generator=generator, requires_grad=True)
    maps = torch.nn.functional.conv2d(images, weights, padding=1).relu()
    maps.mean((2, 3)).square().sum().backward()
    rounding = hashlib.sha256(weights.grad.numpy().tobytes()).hexdigest()[:8]
    return f"torch {torch.__version__}, {kernels}, numpy {np.__version__}, rounding {rounding}"


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_searches_of_a_table_are_what_they_were(searcher, tmp_path):
    stored = (GOLDEN / f"table_{searcher}.jsonl").read_text().splitlines()
    assert search_table(searcher, tmp_path) == stored


@pytest.mark.slow
def test_a_run_with_a_trained_network_is_what_it_was(tmp_path):
    made_on, *stored = (GOLDEN / "run.jsonl").read_text().splitlines()
    found, here = search_network(tmp_path), in_one_thread(processor)
    assert len(found) == len(stored)
    if made_on != here:
        pytest.skip(f"the stored history was made on {made_on}; this is {here}")
    assert found == stored


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        for name in SEARCHERS:
            folder = Path(temporary, name)
            folder.mkdir()
            lines = search_table(name, folder)
            (GOLDEN / f"table_{name}.jsonl").write_text("\n".join(lines) + "\n")
        lines = [in_one_thread(processor), *search_network(Path(temporary))]
        (GOLDEN / "run.jsonl").write_text("\n".join(lines) + "\n")
    sys.exit(0)
