"""Norm statistics from the first images of a batch, and the old ones afterwards."""

import pytest
import torch
from torch import nn

from ean_search.evaluation.bn_calibration import calibrated_norms, norms_with_statistics


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()


def test_only_norms_of_maps_with_statistics_are_listed():
    norm = nn.BatchNorm2d(2)
    others = nn.BatchNorm1d(2), nn.BatchNorm2d(2, track_running_stats=False), nn.LayerNorm(2)
    assert norms_with_statistics(nn.Sequential(norm, *others)) == [norm]


def test_the_first_images_set_the_statistics_for_all(network):
    images = 3 * torch.randn(10, 3, 8, 8) + 1
    with torch.no_grad(), calibrated_norms(network, 6):
        calibrated = network[:2](images)
    first = calibrated[:6]
    assert torch.allclose(first.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-5)
    assert torch.allclose(first.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-2)
    with torch.no_grad(), calibrated_norms(network, 6):  # the rest of a batch has no part in it
        assert torch.equal(network[:2](torch.cat([images[:6], -images[6:]]))[:6], first)


def test_statistics_are_put_back_even_after_an_error(network, images):
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.no_grad(), calibrated_norms(network, 2):
        network(images)
        assert not torch.equal(network[1].running_mean, before["1.running_mean"])
    assert torch.equal(network[1].running_mean, before["1.running_mean"])
    with pytest.raises(RuntimeError), torch.no_grad(), calibrated_norms(network, 2):
        nn.Sequential(network, nn.Conv2d(1, 1, 1))(images)  # fails behind the norm
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    with torch.no_grad():  # and no hook is left
        network(images)
    assert torch.equal(network[1].running_mean, before["1.running_mean"])


def test_without_images_nothing_is_calibrated(network, images):
    with torch.no_grad():
        expected = network(images)
        with calibrated_norms(network, 0):
            assert torch.equal(network(images), expected)
