"""Broad attention against the plain formula, and windows against Swin's own."""

import pytest
import torch
from timm.models.swin_transformer import window_partition

from ean_search.attention.broad import Broad
from ean_search.attention.registry import make_attention_for_site
from ean_search.attention.windows import Windows
from ean_search.networks.builder import build, place, slots
from ean_search.testing.check_attention import example_site
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
def test_sums_of_products_are_products_of_joined_features(members, scale):
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


def test_one_member_is_not_pooled():
    broad = Broad(HEADS, gamma=1.0)
    qkv = torch.randn(1, 6, 3 * HEADS * SIZE)
    _, state = broad(qkv, None)
    value = qkv.unflatten(2, (3, -1))[:, :, 2]
    state = (torch.zeros_like(state[0]), state[1])
    mean = value.mean(1, keepdim=True).expand_as(value)
    assert torch.allclose(broad.joined(state), mean, atol=1e-6)


@pytest.mark.parametrize("members", ["000000000000", "000100000000", "101100111010"])
def test_a_network_adds_it_before_the_last_norm(members):
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


@pytest.mark.parametrize("shift", [(0, 0), (2, 3)])
def test_windows_are_put_back_where_they_were(shift):
    x = torch.randn(2, 8, 16, 5)
    shifted = torch.roll(x, shifts=(-shift[0], -shift[1]), dims=(1, 2))
    windows = window_partition(shifted, (4, 8)).flatten(1, 2)
    assert torch.equal(Windows((8, 16, 4, 8, *shift)).join(windows), x)


def test_what_is_not_side_by_side_does_not_meet():
    space = load_small("swin_tiny_broad")
    network = build(space)
    block = network.layers[0].blocks[1]
    partition = next(s.site for s in slots(network) if "blocks.1" in s.site.module_path).partition
    ours = Windows(partition).mask[:, 0] == 0
    own = block.inner.attn_mask if hasattr(block, "inner") else block.attn_mask
    assert torch.equal(ours, own == 0)


def test_misfits_say_what_is_needed():
    with pytest.raises(UserError, match="expected scale layer or joint, got 'both'"):
        Broad(HEADS, scale="both")
    with pytest.raises(UserError, match=r"windows of \(7, 7\) do not divide a map of \(8, 8\)"):
        Windows((8, 8, 7, 7, 0, 0))
    for name, options, words in (
        ("mrla_light", {"heads": 8}, "mrla_light: 8 heads do not divide 20 channels"),
        ("mrla_base", {}, "mrla_base: heads of 16 channels do not divide 20 channels"),
    ):
        with pytest.raises(UserError, match=words):
            make_attention_for_site(example_site("block", 20, 7), name, **options)
