"""Sites of a user's module get what its example brings there."""

import torch

from ean_search.costs.flops import count_example, count_params
from ean_search.costs.measure import measure_costs
from ean_search.costs.site_inputs import first_input, site_inputs
from ean_search.costs.table import CostTable
from ean_search.networks.builder import build, prune
from ean_search.networks.example import Example
from ean_search.networks.live import register_live
from ean_search.networks.site_table import live_space
from tests.networks.modules import GatedNet


def test_a_space_of_timm_has_random_maps(tiny, tiny_network):
    inputs = site_inputs(tiny, tiny_network, 2)
    assert len(inputs) == tiny.sites
    assert all(len(given.tensors[0]) == 2 for given in inputs)


def test_costs_of_a_module_are_those_of_what_is_left_of_it(tmp_path):
    example = Example.of(torch.rand(2, 1, 12, 8))
    live = register_live(GatedNet(), example)
    for attention in ("own", "se"):
        space = live_space(live, attention)
        network = build(space)
        given = site_inputs(space, network)[0]
        assert given.args[0].shape == (2, 8, 6, 4)
        assert len(first_input(given).args) == 1
        table = measure_costs(space, rounds=1)
        for text in ("000", "101", "111"):
            pruned, cost = prune(network, text), table.price(text)
            assert (cost.macs, cost.flops) == count_example(pruned, example)
            assert cost.params == count_params(pruned)
        assert "sigmoid" in table.uncounted
        table.save(tmp_path / "costs.json")
        assert CostTable.load(tmp_path / "costs.json") == table
