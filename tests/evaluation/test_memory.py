"""How many images a walk may carry."""

import pytest
import torch

from ean_search.core.space import load_space
from ean_search.evaluation.memory import choose_walk_batch_size, widest_layer
from ean_search.networks.builder import build


@pytest.fixture(scope="module")
def network():
    return build(load_space("resnet50_shared")).eval()


def test_the_widest_layer_reads_and_writes_its_maps(network):
    # The first norm: 64 maps of 32 x 32 in, as many out, four bytes each.
    assert widest_layer(network, torch.zeros(2, 3, 64, 64)) == 2 * 64 * 32 * 32 * 4


def test_deeper_walks_carry_fewer_images(network):
    image = torch.zeros(1, 3, 64, 64)
    sizes = [
        choose_walk_batch_size(held, network, image, 128) for held in (0, 10**6, 10**8, 10**12)
    ]
    assert sizes[0] == 128
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1


def test_more_images_than_a_batch_are_carried_where_asked(network):
    image = torch.zeros(1, 3, 64, 64)
    assert choose_walk_batch_size(0, network, image, batch_size=2, most=3) == 3
