"""Every registered attention: its shapes, its gradients, its images, and its error messages."""

import pytest
import torch

from ean_search.attention.registry import (
    ATTENTIONS,
    TIMM_ATTENTIONS,
    find_attention,
    make_attention,
    make_attention_for_site,
)
from ean_search.testing.check_attention import apply, example_site
from ean_search.utils.errors import UserError

NAMES = [*ATTENTIONS, "ese", "eca", "ceca", "gc", "cbam", "coord", "ela"]


def make_with_inputs(name, size, images=3):
    """Return an attention, and maps of a site for it."""
    site = example_site(find_attention(name).positions[0], 64, size)
    return make_attention_for_site(site, name), site.example_inputs(images)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [7, 1])
def test_maps_keep_their_shape_and_gradients_are_finite(name, size):
    attention, inputs = make_with_inputs(name, size)
    x = inputs[0].requires_grad_()
    y, _ = apply(attention.train(), inputs, None)
    y.sum().backward()
    assert y.shape == x.shape
    assert y.isfinite().all()
    assert x.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in attention.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_images_of_a_batch_do_not_mix(name):
    attention, inputs = make_with_inputs(name, 5)
    second = tuple(x[1:2] for x in inputs)
    with torch.no_grad():
        together, alone = (apply(attention.eval(), xs, None)[0] for xs in (inputs, second))
    assert torch.allclose(together[1:2], alone, atol=1e-6)


@pytest.mark.parametrize("name", TIMM_ATTENTIONS)
def test_every_listed_name_of_timm_is_one(name):
    assert issubclass(find_attention(name), torch.nn.Module)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("see", {}, "unknown attention 'see'; did you mean 'se'"),
        ("se", {"groups": 3}, "attention 'se' cannot be built with {'groups': 3}"),
        ("sge", {"groups": 7}, "sge: 7 groups do not divide 64 channels"),
        ("nl", {"unit_gate": True}, "'nl' has no submodule `gate`"),
        ("builtins:print", {}, "a class of torch modules, got <built-in function print>"),
        ("nowhere:Attention", {}, "cannot load 'nowhere:Attention'"),
    ],
)
def test_errors_name_the_reason(name, options, words):
    with pytest.raises(UserError, match=words):
        make_attention(name, 64, **options)


def test_attentions_on_tokens_have_no_gate_to_scale():
    with pytest.raises(UserError, match="broad: has no gate to scale to a mean of 1"):
        make_attention_for_site(example_site("qkv", 64, 7), "broad", unit_gate=True)
