"""Seeded searches against stored histories: a change of structure must change no line of them.

The histories on tables are the same on every machine. The one of a trained network depends on how
its processor rounds, so it says on which it was made. `python -m tests.test_golden_history` writes
them all again, for a change that is meant to change them.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch

import ean_search

GOLDEN = Path(__file__).parent / "golden"
SEARCHERS = "random all local evolution surrogate optuna-tpe optuna-nsga2 ean reinforce".split()
TABLE_BUDGET = 40
RUN = {
    "space": {"base": "tiny"},
    "data.options": {"train": 2400, "test": 100},
    "data.search_per_class": 20,
    "supernet.recipe.epochs": 3,
    "search.budget": 12,
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


def search_network(folder: Path) -> list[str]:
    """Do a whole small run in one thread, so that sums have one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run = ean_search.start_run(ean_search.load_experiment(None, RUN), folder / "run")
        ean_search.do_run(run)
    finally:
        torch.set_num_threads(threads)
    return [line_of(trial) for trial in run.read_trials()]


def processor() -> str:
    """Name what decides how floating-point sums are rounded."""
    kernels = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__}, {kernels}, numpy {np.__version__}"


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_searches_of_a_table_are_what_they_were(searcher, tmp_path):
    stored = (GOLDEN / f"table_{searcher}.jsonl").read_text().splitlines()
    assert search_table(searcher, tmp_path) == stored


@pytest.mark.slow
def test_a_run_with_a_trained_network_is_what_it_was(tmp_path):
    made_on, *stored = (GOLDEN / "run.jsonl").read_text().splitlines()
    found = search_network(tmp_path)
    assert len(found) == len(stored)
    if made_on != processor():
        pytest.skip(f"the stored history was made on {made_on}; this is {processor()}")
    assert found == stored


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        for name in SEARCHERS:
            folder = Path(temporary, name)
            folder.mkdir()
            lines = search_table(name, folder)
            (GOLDEN / f"table_{name}.jsonl").write_text("\n".join(lines) + "\n")
        lines = [processor(), *search_network(Path(temporary))]
        (GOLDEN / "run.jsonl").write_text("\n".join(lines) + "\n")
    sys.exit(0)
