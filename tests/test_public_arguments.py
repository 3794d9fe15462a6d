"""Public functions take text where a path, a space or a placement is meant."""

import pytest

import ean_search
from ean_search.costs.table import CostTable
from ean_search.utils.errors import UserError
from tests.helpers import describe_training, write_checkpoint


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    return ean_search.measure_costs("tiny", classes=10, rounds=1)


def test_spaces_may_be_named(costs):
    space = ean_search.load_space("tiny")
    assert ean_search.load_space(space) is space
    assert ean_search.load_space(space, sharing="none").sharing == "none"
    assert ean_search.probe("tiny") == ean_search.probe(space)
    names = [name for name, _ in ean_search.build("tiny", 7).named_parameters()]
    assert names == [name for name, _ in ean_search.build(space, 7).named_parameters()]
    assert costs.plain.params == ean_search.measure_costs(space, classes=10, rounds=1).plain.params


def test_placements_may_be_text(tiny, tiny_network, costs):
    placement = tiny.parse("1-0-1-0")
    assert tiny.parse(placement) == placement
    names = [name for name, _ in ean_search.prune(tiny_network, placement).named_parameters()]
    for text in ("1-0-1-0", "1010"):
        pruned = ean_search.prune(tiny_network, text)
        assert [name for name, _ in pruned.named_parameters()] == names
        assert costs.price(text) == costs.price(placement)
    bench = ean_search.PlacementBench("eight")
    assert bench.accuracy("all") == bench.accuracy(bench.problem.space.named["all"])
    assert bench.reward("all") == bench.reward(bench.problem.space.named["all"])


@pytest.mark.parametrize("text", ["1-0-1", "all", "", "1-0-1-7", (1, 0, 1, 0)])
def test_what_is_no_placement_is_one_line(tiny_network, text):
    with pytest.raises(UserError, match="expected"):
        ean_search.prune(tiny_network, text)


def test_paths_may_be_text(tmp_path, tiny, costs, short_run):
    path = f"{tmp_path}/costs.json"
    costs.save(path)
    assert CostTable.load(path) == costs
    with pytest.raises(UserError, match="no cost table at"):
        CostTable.load(f"{tmp_path}/none.json")
    assert ean_search.TrialLog(f"{tmp_path}/trials.jsonl", tiny).trials == []
    analysis = ean_search.RunAnalysis(str(short_run.path))
    assert len(analysis.trials) == 12
    written = write_checkpoint(tmp_path / "net", describe_training())
    checkpoint = ean_search.open_checkpoint(str(written.path))
    assert ean_search.open_checkpoint(checkpoint).path == checkpoint.path
