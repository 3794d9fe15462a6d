"""The example that searches a table with PPO, run small."""

import pytest

from ean_search.search.tabular.placement_bench import PlacementBench
from tests.helpers import load_script
from tests.synthetic import write_synthetic

pytest.importorskip("stable_baselines3")


@pytest.fixture
def script():
    return load_script("ppo")


def test_ppo_finds_a_good_placement_of_a_table(script, tmp_path, one_thread):
    table = PlacementBench(write_synthetic(tmp_path / "six.parquet"))
    placements = script.train(table, steps=600)
    assert len(set(placements)) == len(placements) <= table.problem.space.size
    assert script.count_until_goal(table, placements) <= len(placements)


def test_the_goal_is_not_reached_without_a_good_placement(script, tmp_path):
    table = PlacementBench(write_synthetic(tmp_path / "six.parquet"))
    none = table.problem.space.named["none"]
    best = max(table.costs, key=table.reward)
    assert script.count_until_goal(table, [none]) == float("inf")
    assert script.count_until_goal(table, [none, best]) == 2


def test_the_script_compares_ppo_with_searchers(script, tmp_path, monkeypatch, capsys, one_thread):
    source = write_synthetic(tmp_path / "six.parquet")
    monkeypatch.setattr("sys.argv", ["ppo.py", source, "--steps", "64", "--seeds", "1"])
    script.main()
    assert {"ppo:", "random:", "surrogate:"} <= set(capsys.readouterr().out.split())
