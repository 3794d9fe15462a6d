import pickle

import numpy as np
import pandas as pd
import pytest

from ean_search.core.space import Space
from ean_search.search.tabular.placement_bench import (
    PlacementBench,
    select_columns,
    shipped_tables,
    write_table,
)
from ean_search.utils.errors import UserError
from tests.synthetic import SPACE, write_synthetic


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("tables") / "six.parquet")


def measured(table, placements):
    return [result.accuracy for result in table.evaluate(placements)]


def test_every_placement_is_priced_and_has_an_accuracy(source):
    table = PlacementBench(source)
    placements = SPACE.enumerate()
    assert list(table.costs) == placements
    assert table.problem.space.stages == SPACE.stages
    assert table.problem.objective.weights == (("latency_ms", 0.02),)
    assert np.isfinite(measured(table, placements)).all()


def test_the_mean_of_all_trainings_is_what_it_is_judged_by(source):
    table, means = (
        PlacementBench(source),
        select_columns(PlacementBench(source).frame, "accuracy").mean(axis=1),
    )
    placements = SPACE.enumerate()
    assert measured(table, placements) == pytest.approx(means.tolist())
    rewards = [table.reward(placement) for placement in placements]
    costs = [table.costs[placement] for placement in placements]
    expected = [table.problem.reward(a, c) for a, c in zip(means, costs, strict=True)]
    assert rewards == pytest.approx(expected)
    assert table.reward_range == (min(rewards), max(rewards))
    assert table.reward_std == pytest.approx(np.std(rewards))


@pytest.mark.parametrize("seed", [1, 4])  # seeds go round the trainings
def test_who_sees_one_training_is_judged_by_the_others(source, seed):
    table, frame = PlacementBench(source, seed, "one"), PlacementBench(source).frame
    assert measured(table, SPACE.enumerate()) == frame.accuracy_1.tolist()
    held_out = (frame.accuracy_0 + frame.accuracy_2) / 2
    truth = [table.true_accuracy(placement) for placement in SPACE.enumerate()]
    assert truth == pytest.approx(held_out.tolist())
    assert table.name == "six, one training"


def test_another_objective_and_limits_may_be_asked_for(source):
    table = PlacementBench(source, objective="accuracy - 0.1 sites", limits="sites <= 2")
    assert table.problem.objective.weights == (("sites", 0.1),)
    few = [p for p in SPACE.enumerate() if p.attached <= 2]
    assert table.reward_range[1] == max(table.reward(placement) for placement in few)
    with pytest.raises(UserError, match="no placement of table"):
        _ = PlacementBench(source, limits="sites > 8").reward_range


def test_tables_travel_to_other_processes(source):
    assert pickle.loads(pickle.dumps(PlacementBench(source, 3, "one"))) == PlacementBench(
        source, 3, "one"
    )


def test_more_than_two_choices_a_site_are_read(tmp_path):
    space = Space(name="mixed", backbone="none", attention=["se", "eca"], stages=(2, 1))
    table = PlacementBench(write_synthetic(tmp_path / "mixed.parquet", space))
    assert len(table.costs) == 27
    assert table.accuracy(space.parse("20-1")) > 0


def test_what_is_shipped_can_be_loaded():
    for name in shipped_tables():
        assert PlacementBench(name).metadata["noise"]["f_statistic"] > 1


def test_what_is_no_table_is_a_user_error(tmp_path, source):
    with pytest.raises(UserError, match="no table at"):
        _ = PlacementBench(str(tmp_path / "nowhere.parquet")).costs
    with pytest.raises(UserError, match="unknown table 'nowhere'"):
        _ = PlacementBench("nowhere").costs
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(b"PAR1")
    with pytest.raises(UserError, match="is not a table of ean-search"):
        _ = PlacementBench(str(torn)).costs
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(UserError, match="is not a table of ean-search"):
        _ = PlacementBench(str(tmp_path / "other.parquet")).costs
    table = PlacementBench(source)
    write_table(table.frame.iloc[1:], table.metadata, tmp_path / "less.parquet")
    with pytest.raises(UserError, match="expected each of 64 placements once, got 63 rows"):
        _ = PlacementBench(str(tmp_path / "less.parquet")).costs
    write_table(table.frame.drop(columns="flops"), table.metadata, tmp_path / "poor.parquet")
    with pytest.raises(UserError, match="has no column flops"):
        _ = PlacementBench(str(tmp_path / "poor.parquet")).costs


def test_one_training_leaves_none_to_judge_by(tmp_path):
    source = write_synthetic(tmp_path / "single.parquet", trainings=1)
    with pytest.raises(UserError, match="has one training, none is left to judge by"):
        PlacementBench(source, sees="one").accuracy(SPACE.named["all"])
