"""Layouts: there and back, and attentions at sites of another layout."""

import pytest
import torch

from ean_search.attention.base import Attention
from ean_search.attention.layout import (
    CHANNELS_FIRST,
    CHANNELS_LAST,
    TOKENS,
    LayoutAdapter,
    from_map,
    to_map,
)
from ean_search.attention.registry import make_attention, make_attention_for_site
from ean_search.networks.site import Site

X = torch.randn(2, 8, 4, 4)


class AddState(Attention):
    """Adds the first map to the state, and in the end the state to the stage's output."""

    stateful = True
    finishes_stage = True

    def __init__(self, channels):
        super().__init__()

    def forward(self, x, state):
        return x, x if state is None else state + x

    def finish(self, x, state):
        return x + state


@pytest.mark.parametrize(
    ("layout", "prefix", "shape"),
    [
        (CHANNELS_FIRST, 0, (2, 8, 4, 4)),
        (CHANNELS_LAST, 0, (2, 4, 4, 8)),
        (TOKENS, 0, (2, 16, 8)),
        (TOKENS, 1, (2, 17, 8)),
        (TOKENS, 2, (2, 18, 8)),
    ],
)
def test_a_map_comes_back_as_it_was(layout, prefix, shape):
    x = torch.randn(shape)
    x_map, prefix_tokens = to_map(x, layout, prefix)
    assert x_map.shape == X.shape
    assert torch.equal(from_map(x_map, layout, prefix_tokens), x)


def test_tokens_run_row_by_row_after_the_prefix():
    tokens = torch.arange(5.0)[None, :, None]
    x_map, prefix_tokens = to_map(tokens, TOKENS, 1)
    assert x_map.tolist() == [[[[1, 2], [3, 4]]]]
    assert prefix_tokens.tolist() == [[[0]]]


@pytest.mark.parametrize(("layout", "prefix"), [(CHANNELS_LAST, 0), (TOKENS, 1)])
def test_a_gate_computes_the_same_in_every_layout(layout, prefix):
    site = Site(0, "residual", "", 0, 64, 4, 4, layout=layout, prefix=prefix)
    adapted = make_attention_for_site(site, "se").eval()
    plain = make_attention("se", 64).eval()
    plain.load_state_dict(adapted.attention.state_dict())
    (x,) = site.example_inputs(2)
    x_map, prefix_tokens = to_map(x, layout, prefix)
    with torch.no_grad():
        expected = from_map(plain(x_map), layout, prefix_tokens)
        assert torch.allclose(adapted(x), expected, atol=1e-6)


def test_an_attention_of_one_map_does_not_get_the_shortcut():
    site = Site(0, "block", "", 0, 64, 4, 4)
    adapted = make_attention_for_site(site, "se").eval()
    x, shortcut = site.example_inputs(2)
    with torch.no_grad():
        assert torch.equal(adapted(x, shortcut), adapted.attention(x))


def test_a_state_passes_through_beside_the_map():
    adapter = LayoutAdapter(AddState(8), TOKENS, prefix=1, num_maps=2)
    tokens = torch.randn(2, 17, 8)
    y, state = adapter(tokens, tokens, X)
    assert adapter.stateful
    assert adapter.finishes_stage
    assert torch.equal(y, tokens)
    assert torch.equal(state, X + to_map(tokens, TOKENS, 1)[0])
    finished = adapter.finish(tokens, state)
    assert torch.equal(finished[:, :1], tokens[:, :1])
    assert torch.equal(finished[:, 1:], tokens[:, 1:] + state.flatten(2).transpose(1, 2))
