"""Sites without attention keep or remove what the backbone has there, as the space claims."""

import pytest
from torch import nn

from ean_search.core.space import load_space, shipped_spaces
from ean_search.networks.builder import build, prune
from ean_search.networks.sites import find_sites, make_backbone, probe
from ean_search.utils.errors import UserError
from tests.helpers import load_small, space_of


def count(modules):
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_spaces())
def test_none_is_what_the_space_claims(name):
    space = load_small(name)
    network = prune(build(space, classes=10), space.named["none"])
    plain = make_backbone(space, classes=10)
    sites = [site for site in find_sites(space) if site.own]
    own = [plain.get_submodule(path) for s in sites for path in s.removed or (s.module_path,)]
    if not space.removes_own:
        assert list(network.state_dict()) == list(plain.state_dict())
        return
    kinds = {type(plain.get_submodule(site.module_path)) for site in sites}
    assert own
    assert not [module for module in network.modules() if type(module) in kinds]
    assert count([network]) == count([plain]) - count(own)


def test_efficientnet_without_its_own_modules_is_smaller_than_with_shared_ones():
    space = load_space("efficientnet_b0_shared")
    network = build(space, classes=1000)
    none, full = (prune(network, space.named[name]) for name in ("none", "all"))
    assert (count([none]), count([full])) == (4_652_008, 5_180_992)


def test_sites_name_the_module_that_the_backbone_has():
    sites = find_sites(space_of("mobilenetv3_small_050", attention="eca"))
    assert {site.own for site in sites} == {"", "SqueezeExcite"}
    assert not any(site.own for site in find_sites(load_space("tiny")))


def test_a_removed_module_is_the_identity_in_the_network():
    space = space_of("efficientnet_b0", attention="eca", own_attention="remove")
    network = prune(build(space), probe(space).named["none"])
    blocks = [module for module in network.modules() if hasattr(module, "se")]
    assert blocks
    assert all(isinstance(block.se, nn.Identity) for block in blocks)


def test_what_is_not_there_cannot_be_removed():
    with pytest.raises(UserError, match="own_attention: remove has no meaning"):
        find_sites(load_space("tiny", own_attention="remove"))
