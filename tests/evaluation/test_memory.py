import pytest
import torch

from ean_search.core.space import load_space
from ean_search.evaluation.memory import images_at_once, widest_layer
from ean_search.evaluation.prefix_tree import PrefixTree
from ean_search.networks.builder import build


@pytest.fixture(scope="module")
def network():
    return build(load_space("resnet50_shared")).eval()


def test_the_widest_layer_reads_and_writes_its_maps(network):
    # The first norm: 64 maps of 32 x 32 in, as many out, four bytes each.
    assert widest_layer(network, torch.zeros(2, 3, 64, 64)) == 2 * 64 * 32 * 32 * 4


def test_a_walk_holds_two_maps_a_site(network):
    maps = [(256, 16, 3), (512, 8, 4), (1024, 4, 6), (2048, 2, 3)]
    expected = sum(2 * 4 * channels * size**2 * sites for channels, size, sites in maps)
    held = PrefixTree(network).bytes_held(torch.randn(2, 3, 64, 64)) / 2
    assert held == pytest.approx(expected, rel=0.02)


def test_deeper_walks_carry_fewer_images(network):
    image = torch.zeros(1, 3, 64, 64)
    sizes = [images_at_once(held, network, image, 128) for held in (0, 10**6, 10**8, 10**12)]
    assert sizes[0] == 128
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
