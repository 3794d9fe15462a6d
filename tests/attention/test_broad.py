"""Broad attention against the plain formula."""

import pytest
import torch

from ean_search.attention.broad import Broad
from ean_search.networks.builder import build, place, slots
from ean_search.networks.sites import Site
from ean_search.utils.errors import UserError
from tests.helpers import load_small

HEADS, SIZE = 3, 8


def plain_formula(qkvs, scale):
    """Join queries, keys and values per head, attend once, pool to one layer's width."""
    parts = [x.unflatten(2, (3, HEADS, SIZE)).permute(2, 0, 3, 1, 4) for x in qkvs]
    query, key, value = (torch.cat([p[i] for p in parts], dim=-1) for i in range(3))
    out = (query @ key.transpose(-1, -2) * scale).softmax(-1) @ value
    joined = out.transpose(1, 2).flatten(2)  # (b, n, heads * members * size)
    return torch.nn.functional.adaptive_avg_pool1d(joined, HEADS * SIZE)


@pytest.mark.parametrize("members", [1, 2, 5, 12])
@pytest.mark.parametrize("scale", ["layer", "joint"])
def test_the_sum_of_products_is_the_product_of_joined_features(members, scale):
    broad = Broad(HEADS, gamma=0.7, scale=scale)
    qkvs = [torch.randn(2, 10, 3 * HEADS * SIZE) for _ in range(members)]
    state = None
    for qkv in qkvs:
        passed, state = broad(qkv, state)
        assert passed is qkv
    factor = (SIZE * (members if scale == "joint" else 1)) ** -0.5
    x = torch.randn(2, 10, HEADS * SIZE)
    expected = x + 0.7 * plain_formula(qkvs, factor)
    assert torch.allclose(broad.finish(x, state), expected, atol=1e-5)


def test_one_layer_is_not_pooled():
    broad = Broad(HEADS, gamma=1.0)
    qkv = torch.randn(1, 6, 3 * HEADS * SIZE)
    _, state = broad(qkv, None)
    value = qkv.unflatten(2, (3, -1))[:, :, 2]
    state = (torch.zeros_like(state[0]), state[1])
    mean = value.mean(1, keepdim=True).expand_as(value)
    assert torch.allclose(broad.joined(state), mean, atol=1e-6)


@pytest.mark.parametrize("members", ["000000000000", "000100000000", "101100111010"])
def test_a_network_adds_it_before_its_last_norm(members):
    space = load_small("deit_small_broad")
    network = build(space).eval()
    x = torch.randn(2, 3, 64, 64)
    qkvs, outs = {}, []
    for slot in slots(network):
        slot.register_forward_hook(lambda s, _, out: qkvs.update({s.site.number: out}))
    with torch.no_grad():
        last = network.blocks[-1].inner
        last.register_forward_hook(lambda *call: outs.append(call[2]))
        placement = space.parse(members)
        logits = place(network, placement)(x)
        chosen = [qkvs[i] for i, choice in enumerate(placement.choices) if choice]
        features = outs[0]
        if chosen:
            size = features.shape[-1] // HEADS
            broad = Broad(HEADS)
            state = None
            for qkv in chosen:
                state = broad(qkv, state)[1]
            assert state[1][0].shape[-1] == size
            features = broad.finish(features, state)
        expected = network.forward_head(network.norm(features))
    assert torch.allclose(logits, expected, atol=1e-5)


def test_other_scales_are_refused():
    with pytest.raises(UserError, match="expected scale layer or joint, got 'both'"):
        Broad(HEADS, scale="both")


def test_it_is_added_to_a_map_position_by_position():
    broad = Broad(HEADS)
    _, state = broad(torch.randn(2, 12, 3 * HEADS * SIZE), None)
    x_map = torch.randn(2, HEADS * SIZE, 3, 4)
    tokens = broad.finish(x_map.flatten(2).transpose(1, 2), state)
    assert torch.equal(broad.finish(x_map, state).flatten(2).transpose(1, 2), tokens)


def test_layers_and_outputs_that_do_not_fit_together_are_refused():
    broad = Broad(HEADS)
    _, state = broad(torch.randn(1, 10, 3 * HEADS * SIZE), None)
    with pytest.raises(UserError, match="different numbers of positions, 10 and 6"):
        broad(torch.randn(1, 6, 3 * HEADS * SIZE), state)
    with pytest.raises(UserError, match=r"10 positions with 24 channels, .*shape \(1, 24, 2, 3\)"):
        broad.finish(torch.randn(1, HEADS * SIZE, 2, 3), state)


def test_a_projection_without_equal_parts_is_refused():
    with pytest.raises(UserError, match=r"128 channels has no equal parts .* of 2 heads"):
        Broad.from_site(Site(0, "qkv", "", 0, 128, 49, 1, layout="tokens", heads=2))
