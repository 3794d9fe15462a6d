"""Constant factors in the norms before their sites."""

import pytest
import torch
from torch import nn

from ean_search.core.space import load_space
from ean_search.costs.flops import count_flops, count_params
from ean_search.costs.measure import measure_costs
from ean_search.networks.builder import build, fold_placement, place, prune, slots
from ean_search.networks.example import Example
from ean_search.networks.folding import foldable_factors, norms_before, takes_factors
from ean_search.networks.sites import find_sites, probe
from tests.helpers import load_small, mark_slow, randomise


def asr_space(gate="se", name="resnet18_shared", **changes):
    changes |= {"attention": ["se", {"name": "asr", "gate": gate}], "image_size": 64}
    return probe(load_space(name, **changes))


def trained(space, seed=0):
    """Build a network whose norms and learnt vectors are not those of the start."""
    network = randomise(build(space, classes=5, seed=seed)).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        if name.endswith("psi"):
            parameter.data.normal_(0, 2, generator=generator)
    return network


@pytest.mark.parametrize("gate", mark_slow(["se", "eca", "spa"], ["spa"]))
def test_logits_stay_when_constants_are_in_norms(gate):
    space = asr_space(gate)
    network = trained(space)
    x = torch.randn(2, 3, 64, 64)
    for text in ("22222222", "10-20-22-12"):
        placement = space.parse(text)
        folded = prune(network, placement)
        plain = prune(network, placement, fold=False)
        with torch.no_grad():
            expected = place(network, placement)(x)
            assert (folded(x) - expected).abs().max() <= 1e-6 * expected.abs().max().clamp(min=1)
            assert torch.equal(plain(x), expected)
        assert not any(type(m).__name__ == "ASR" for m in folded.modules())


def test_the_network_that_was_pruned_is_left_as_it_was():
    space = asr_space()
    network = trained(space)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    prune(network, space.named["all-asr"])
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())


def test_a_folded_network_counts_as_the_plain_one():
    space = asr_space()
    network = trained(space)
    image = torch.zeros(1, 3, 64, 64)
    plain = prune(network, space.named["none"])
    folded = prune(network, space.named["all-asr"])
    assert count_flops(folded, image) == count_flops(plain, image)
    assert count_params(folded) == count_params(plain)
    assert str(fold_placement(network, space.parse("12-02-20-11"))) == "10-00-00-11"


def test_the_cost_table_has_nothing_for_what_is_folded():
    table = measure_costs(asr_space(), rounds=1)
    none, folded = (table.price(text) for text in ("00000000", "22222222"))
    assert (folded.params, folded.macs, folded.flops) == (none.params, none.macs, none.flops)
    assert (folded.latency_ms, folded.activation_bytes) == (none.latency_ms, none.activation_bytes)
    assert folded.sites == 8


def test_the_shipped_space_has_both():
    space = load_small("resnet50_se_asr")
    assert [choice.name for choice in space.attention] == ["se", "asr"]
    assert space.named["all-asr"].attached == 16


def test_norms_are_found_by_what_they_give():
    backbone = nn.Sequential(nn.BatchNorm2d(3), nn.Identity(), nn.ReLU(), nn.Identity())
    found = norms_before(
        backbone, Example.of(torch.randn(1, 3, 4, 4)), {"a": backbone[1], "b": backbone[3]}
    )
    assert found == {"a": "0"}


@pytest.mark.parametrize(
    ("name", "norm"),
    [
        ("resnet50_shared", "layer1.0.bn3"),
        ("regnet_shared", "s1.b1.conv2.bn"),
        ("efficientnet_b0_shared", "blocks.0.0.bn1"),
    ],
)
def test_sites_know_the_norm_before_them(name, norm):
    assert find_sites(load_small(name))[0].norm == norm
    broad = find_sites(load_small("deit_tiny_broad"))
    assert not any(site.norm for site in broad)


def test_a_norm_takes_factors_only_where_the_site_can_be_emptied():
    space = asr_space(name="efficientnet_b0_shared", own_attention="keep", stages=())
    network = place(build(space), space.named["all-asr"])
    assert not foldable_factors(network, slots(network))  # SiLU lies between, and there is an SE
    regnet = build(asr_space(name="regnet_shared", stages=()))
    slot = slots(regnet)[0]
    factors = torch.ones(slot.site.channels)
    assert takes_factors(regnet, slot, factors)
    assert not takes_factors(regnet, slot, -factors)  # a ReLU lies between
