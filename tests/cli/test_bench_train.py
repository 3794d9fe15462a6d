"""Measurements that train networks."""

import re

import pytest

from ean_search.core.space import load_space
from ean_search.utils.jsonl import append_row

TINY = "--set data.options.train=300 --set data.options.test=20 --set data.search_per_class=10"
TINY = [*TINY.split(), "--set", "supernet.recipe.epochs=1"]


@pytest.mark.slow
def test_supernets_are_judged_by_a_table(run_command, tmp_path, one_thread):
    words = "bench table --space tiny --name mine --seeds 2 --device cpu --epochs 4 --part 1/2"
    words = [*words.split(), "--output", str(tmp_path), *TINY]
    space = load_space("tiny")
    for number, placement in enumerate(space.enumerate()):
        for seed in (0, 1):
            row = {
                "placement": str(placement),
                "seed": seed,
                "accuracy": 0.01 * number + 0.001 * seed,
            }
            append_row(tmp_path / "truth_mine.jsonl", row)
    code, out, _ = run_command(*words)
    assert (code, "1 trainings are still missing" in out) == (0, True)
    code, out, _ = run_command(*words, "--part", "1/1")
    assert code == 0
    assert re.search("accuracy_1 .*estimate_0 .*f statistic", out, re.DOTALL)
    table = str(tmp_path / "mine.parquet")
    words = ["bench", "supernet", "--table", table, "--variants", "uniform-count", "--epochs", "4"]
    words += ["--seeds", "1", "--output", str(tmp_path), "--device", "cpu"]
    code, out, _ = run_command(*words)
    assert code == 0
    # The table's own networks are judged, too: two seeds, with and without calibration.
    assert len((tmp_path / "supernet_mine.csv").read_text().splitlines()) == 1 + 4
    assert "tau between seeds" in out
    code, _, err = run_command(*words, "--variants", "uniform")
    assert (code, "unknown variant 'uniform'; did you mean" in err) == (2, True)
