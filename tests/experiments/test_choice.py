"""The comparison of ways to choose a winner."""

import pandas as pd
import pytest

from ean_search.search.tabular.placement_bench import PlacementBench
from tests.helpers import load_script

choice = load_script("choice")


@pytest.fixture(scope="module")
def table():
    return PlacementBench("five")


@pytest.fixture(scope="module")
def truth(table):
    columns = [name for name in table.frame if str(name).startswith("accuracy_")]
    return table.frame.set_index("placement")[columns].mean(axis=1)


def test_who_knows_the_truth_gains_most_and_a_model_of_it_gains_too(table, truth):
    gains = choice.judge(table, truth)
    shuffled = pd.Series(truth.to_numpy(), truth.sample(frac=1, random_state=0).index)
    assert gains["highest estimate"] >= gains["model"] > 2
    assert choice.judge(table, shuffled[truth.index])["highest estimate"] < gains["model"]


def test_every_network_gives_a_row_of_each_way_to_choose(table, truth, monkeypatch):
    monkeypatch.setattr(choice, "REPETITIONS", 2)
    networks = pd.DataFrame({0: truth, 1: truth.iloc[::-1]})
    frame = choice.gains(table, networks, 32)
    assert frame.shape == (2, 2)
    assert set(frame) == {"highest estimate", "model"}
