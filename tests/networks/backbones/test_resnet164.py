import torch

from ean_search.core.space import load_space
from ean_search.networks.backbones.resnet164 import resnet164
from ean_search.networks.sites import make_backbone


def test_it_has_the_published_size():
    space = load_space("resnet164_shared")
    counts = [sum(p.numel() for p in make_backbone(space, n).parameters()) for n in (10, 100)]
    assert counts == [1_704_154, 1_727_284]


def test_other_images_and_classes():
    with torch.no_grad():
        network = resnet164(num_classes=3, in_chans=1).eval()
        assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 3)
        assert network.forward_features(torch.zeros(2, 1, 32, 32)).shape == (2, 256, 8, 8)
