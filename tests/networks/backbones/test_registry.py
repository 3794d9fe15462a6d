import pytest
from torch import nn

from ean_search.networks.backbones.registry import BACKBONES
from ean_search.networks.sites import make_backbone
from tests.helpers import space_of


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_can_be_built_and_has_sites(name):
    backbone = make_backbone(space_of(name), classes=7)
    assert isinstance(backbone, nn.Module)
    assert [p.shape[0] for p in backbone.parameters()][-1] == 7
