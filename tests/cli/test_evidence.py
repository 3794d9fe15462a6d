"""`bench evidence`: a whole chain as one command."""

import pandas as pd
import pytest

EXPERIMENT = """
space: tiny
data: {options: {train: 300, test: 50}, search_per_class: 10}
supernet: {recipe: {epochs: 1}}
search: {budget: 6}
retrain: {epochs: 1}
device: cpu
"""


@pytest.mark.slow
def test_a_chain_leaves_its_rows(run_command, tmp_path):
    (tmp_path / "mine.yaml").write_text(EXPERIMENT)
    words = ["bench", "evidence", tmp_path / "mine.yaml", "--compare", "none", "--seeds", 2]
    code, out, _ = run_command(*words, "--output", tmp_path)
    assert code == 0
    frame = pd.read_csv(tmp_path / "evidence.csv")
    assert frame.experiment.tolist() == ["mine"] * 2
    assert frame["name"].tolist() == ["best", "none"]
    assert str(tmp_path / "evidence.csv") in out


def test_an_experiment_that_is_not_there_is_one_line(run_command, tmp_path):
    code, _, err = run_command("bench", "evidence", tmp_path / "nowhere.yaml")
    assert code == 2
    assert "no experiment file at" in err
