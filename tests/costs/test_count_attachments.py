"""What each attention adds at each site, against the difference of pruned networks."""

import pytest
import torch

from ean_search.costs.count_attachments import count_attachments, count_plain
from ean_search.costs.flops import count_flops, count_params
from ean_search.networks.builder import build, prune
from ean_search.networks.sites import probe
from tests.helpers import load_small, mark_slow, space_of


@pytest.mark.parametrize("name", mark_slow(["tiny", "deit_small_own"], ["deit_small_own"]))
def test_an_attachment_is_the_difference_that_it_makes(name):
    space = probe(load_small(name))
    network = build(space, classes=10).eval()
    plain, rows = count_plain(space, network), count_attachments(space, network)
    for site, (attachment,) in list(enumerate(rows))[:2]:
        single = prune(network, space.placement(i == site for i in range(space.sites)))
        size = space.image_size
        macs, flops = count_flops(single, torch.zeros(1, 3, size, size))
        assert (attachment.macs, attachment.flops) == (macs - plain.macs, flops - plain.flops)
        assert attachment.params + attachment.own_params == count_params(single) - plain.params


def test_a_gate_of_the_backbones_own_adds_nothing_but_itself():
    space = probe(space_of("mobilenetv3_small_050", attention="own", image_size=64))
    network = build(space, classes=10).eval()
    added = sum(row[0].own_params for row in count_attachments(space, network))
    whole = prune(network, space.named["all"])
    assert count_plain(space, network).params + added == count_params(whole)
