"""Measurements as commands."""

import pytest

from tests.synthetic import write_synthetic


def test_racing_is_judged_on_a_finished_run(run_command, finished_run, tmp_path):
    words = ["bench", "racing", str(finished_run), "--races", "3", "--output", str(tmp_path)]
    code, _, _ = run_command(*words)
    assert code == 0
    assert "winner_lost" in (tmp_path / "racing.csv").read_text()


@pytest.mark.slow
def test_searchers_are_compared(run_command, tmp_path, one_thread):
    table = write_synthetic(tmp_path / "six.parquet")
    words = "bench searchers --searchers random local --sites 16 --seeds 2 --landscapes 2 "
    words += f"--budget 60 --processes 0 --tables {table} --workers 1 8 --output {tmp_path}"
    code, out, _ = run_command(*words.split())
    assert code == 0
    assert out.count("local") == 4  # the table's mean with 1 and 8 workers, one training, 16 sites
    assert {"searchers.csv", "searchers.png"} <= {path.name for path in tmp_path.iterdir()}
