"""Which sites share modules, or parts of them."""

from ean_search.core.space import load_space
from ean_search.networks.builder import build, slots
from ean_search.networks.site_attentions import sharing_group
from ean_search.networks.sites import find_sites


def test_parts_are_shared_where_an_attention_says_so():
    space = load_space("resnet18_shared", attention="mrla_light", unit_gate=False)
    first, second = (slot.attentions[0] for slot in slots(build(space))[:2])
    assert first is not second
    assert first.projections is second.projections
    assert first.decay is not second.decay
    whole = load_space("resnet18_shared", attention="mrla_light", sharing="whole", unit_gate=False)
    first, second = (slot.attentions[0] for slot in slots(build(whole))[:2])
    assert first is second


def test_sites_of_a_group_have_the_same_key():
    sites = find_sites(load_space("resnet50_shared"))
    shared = load_space("resnet50_shared")
    own = load_space("resnet50_shared", sharing="none")
    assert len({sharing_group(shared, site) for site in sites}) == 4
    assert len({sharing_group(own, site) for site in sites}) == 16
