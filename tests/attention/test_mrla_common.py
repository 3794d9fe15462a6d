import pytest
import torch

from ean_search.attention.mrla_common import by_head, count_heads, kernel_size, scaled_products
from ean_search.attention.registry import find_attention, make_attention_for_site
from ean_search.networks.site import Site
from ean_search.testing.check_attention import example_site
from ean_search.utils.errors import UserError


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("mrla_light", {"heads": 8}, "mrla_light: 8 heads do not divide 20 channels"),
        ("mrla_base", {}, "mrla_base: heads of 16 channels do not divide 20 channels"),
    ],
)
def test_channels_must_be_a_multiple_of_the_heads(name, options, words):
    with pytest.raises(UserError, match=words):
        make_attention_for_site(example_site("block", 20, 7), name, **options)


def test_the_number_of_heads_is_given_or_follows_from_their_size():
    assert count_heads("mrla_light", 64, 16, None) == 4
    assert count_heads("mrla_light", 64, 16, 2) == 2


def test_kernels_are_odd_and_grow_with_the_channels():
    sizes = [kernel_size(channels) for channels in (16, 64, 256, 512, 2048)]
    assert sizes == sorted(sizes)
    assert all(size % 2 for size in sizes)
    assert (sizes[0], sizes[-1]) == (3, 7)


def test_products_are_scaled_by_the_root_of_the_head_size():
    query, keys = torch.ones(1, 8), torch.ones(1, 3, 2, 4)
    assert torch.equal(scaled_products(by_head(query, 2), keys), torch.full((1, 2, 3), 2.0))


@pytest.mark.parametrize(("name", "sizes"), [("mrla_light", (32, 16)), ("mrla_base", (16, 16))])
def test_heads_have_their_published_sizes_on_maps_and_on_tokens(name, sizes):
    on_map = Site(0, "block", "", 0, 64, 4, 4)
    on_tokens = Site(0, "block", "", 0, 64, 4, 4, layout="tokens", prefix=1)
    attentions = [find_attention(name).from_site(site) for site in (on_map, on_tokens)]
    assert tuple(64 // attention.heads for attention in attentions) == sizes
    assert [attention.positions for attention in attentions] == [("block",)] * 2
