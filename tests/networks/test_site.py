"""A site as a value: the maps that an attention gets there."""

import pytest

from ean_search.networks.site import Site
from ean_search.networks.sites import find_sites
from tests.helpers import load_small


@pytest.mark.parametrize(
    ("site", "shapes"),
    [
        (Site(0, "residual", "", 0, 8, 4, 5), [(2, 8, 4, 5)]),
        (Site(0, "block", "", 0, 8, 4, 5, layout="nhwc"), [(2, 4, 5, 8)] * 2),
        (Site(0, "residual", "", 0, 8, 4, 4, layout="tokens", prefix=1), [(2, 17, 8)]),
    ],
)
def test_example_inputs_have_the_layout_of_the_site(site, shapes):
    inputs = site.example_inputs(2)
    assert [tuple(x.shape) for x in inputs] == shapes
    assert site.num_maps == len(inputs)
    assert site.num_elements == inputs[0].numel() // 2


def test_windows_follow_each_other_in_the_batch():
    site = find_sites(load_small("swin_tiny_broad"))[1]
    assert site.partition == (16, 16, 4, 4, 2, 2)
    assert site.num_windows == 16
    (x,) = site.example_inputs(3)
    assert x.shape == (48, 16, 72)
    assert site.num_elements == x.numel() // 3
