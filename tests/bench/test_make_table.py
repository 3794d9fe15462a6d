import pandas as pd
import pytest

from ean_search.bench.make_table import TablePaths, make_table, pivot_by_seed
from ean_search.runs.experiment import load_experiment
from ean_search.search.tabular.placement_bench import PlacementBench, select_columns
from ean_search.utils.errors import UserError
from ean_search.utils.jsonl import append_row


@pytest.fixture
def paths(tmp_path):
    return TablePaths(*(tmp_path / name for name in ("truth.jsonl", "est.jsonl", "made.parquet")))


@pytest.mark.slow
def test_a_table_is_made_of_trainings_estimates_and_costs(experiment, paths, one_thread):
    for number, placement in enumerate(experiment.space.enumerate()[:-1]):
        for seed in (0, 1):
            row = {"placement": str(placement), "seed": seed, "accuracy": 0.5 + 0.01 * number}
            append_row(paths.truth, row)
    work = {"seeds": 2, "epochs": 4}
    assert make_table(experiment, paths, part=(1, 2), **work) == 3  # with one network for all
    assert not paths.table.is_file()
    assert make_table(experiment, paths, part=(2, 2), **work) == 0
    table = PlacementBench(str(paths.table))
    for prefix in ("accuracy", "estimate", "recalibrated"):
        assert select_columns(table.frame, prefix).shape == (16, 2)
        assert select_columns(table.frame, prefix).notna().all(axis=None)
    assert table.costs[table.problem.space.named["all"]].sites == 4
    metadata = table.metadata
    assert metadata["estimates_by"] == "uniform-count"
    assert {"f_statistic", "tau_between_seeds"} <= set(metadata["noise"])
    assert metadata["provenance"]["hardware"]
    assert load_experiment(None, metadata["experiment"]) == experiment


def test_a_table_needs_two_seeds(experiment, paths):
    with pytest.raises(UserError, match="at least 2 seeds"):
        make_table(experiment, paths, seeds=1)


def test_every_seed_becomes_a_column():
    rows = [("0-0", 0, 0.1), ("0-1", 0, 0.2), ("0-0", 1, 0.3), ("0-1", 1, 0.4)]
    frame = pivot_by_seed(pd.DataFrame(rows, columns=["placement", "seed", "accuracy"]))
    assert frame.to_dict("list") == {"accuracy_0": [0.1, 0.2], "accuracy_1": [0.3, 0.4]}
    assert frame.index.tolist() == ["0-0", "0-1"]
