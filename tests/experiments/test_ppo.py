"""The example of other people's reinforcement learning, run small."""

import pytest

from ean_search.search.tabular.placement_bench import PlacementBench
from tests.helpers import load_script
from tests.synthetic import write_synthetic

pytest.importorskip("stable_baselines3")


@pytest.fixture
def ppo():
    return load_script("ppo")


def test_ppo_learns_a_table(ppo, tmp_path, one_thread):
    table = PlacementBench(write_synthetic(tmp_path / "six.parquet"))
    found = list(ppo.train(table, steps=600))
    assert len(set(found)) == len(found) <= table.problem.space.size
    assert ppo.arrival(table, found) <= len(found)
    assert ppo.arrival(table, [table.problem.space.named["none"]]) == float("inf")


def test_the_script_compares_it_with_our_searchers(ppo, tmp_path, monkeypatch, capsys, one_thread):
    source = write_synthetic(tmp_path / "six.parquet")
    monkeypatch.setattr("sys.argv", ["ppo.py", source, "--steps", "64", "--seeds", "1"])
    ppo.main()
    assert {"ppo:", "random:", "surrogate:"} <= set(capsys.readouterr().out.split())
