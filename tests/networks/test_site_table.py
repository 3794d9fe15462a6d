"""The table of sites of any module."""

import pytest
import torch
import torchvision

from ean_search.networks.site_table import COLUMNS, find_attention_sites
from ean_search.utils.errors import UserError
from tests.networks.modules import GatedNet

IMAGE = torch.zeros(1, 1, 8, 8)


def test_it_shows_the_attention_that_is_there():
    module = GatedNet().train()
    found = find_attention_sites(module, {"image": IMAGE, "scale": 2.0})
    assert list(found) == COLUMNS
    assert list(found.path) == [f"blocks.{i}.recalibrate" for i in range(3)]
    assert set(found.own) == {"Gate"}
    assert set(found.position) == {"gate"}
    assert all(m.training for m in module.modules())


def test_it_shows_where_new_attention_could_go():
    found = find_attention_sites(GatedNet(), IMAGE, "se")
    assert list(found.path) == ["blocks.0", "blocks.1", "blocks.2"]
    assert set(found.channels) == {8}


def test_new_attention_may_stand_beside_that_of_the_network():
    found = find_attention_sites(GatedNet(), IMAGE, ["own", "se"])
    assert set(found.position) == {"gate"}
    assert list(find_attention_sites(GatedNet(), IMAGE, "se", position="gate").path) == list(
        found.path
    )


def test_patterns_restrict_sites():
    found = find_attention_sites(GatedNet(), IMAGE, sites=["*.0.*", "blocks.2.*"])
    assert list(found.path) == ["blocks.0.recalibrate", "blocks.2.recalibrate"]
    with pytest.raises(UserError, match="has no attention of its own that matches 'neck"):
        find_attention_sites(GatedNet(), IMAGE, sites="neck.*")


def test_a_module_without_attention_says_what_was_looked_for():
    with pytest.raises(
        UserError, match=r"no attention of its own \(looked for: gates of its blocks"
    ):
        find_attention_sites(torch.nn.Conv2d(1, 1, 1), IMAGE)
    with pytest.raises(UserError, match="no block of it adds its own input"):
        find_attention_sites(torch.nn.Conv2d(1, 1, 1), IMAGE, "se")


def test_unknown_names_are_one_line():
    with pytest.raises(UserError, match="unknown attention 'sge2'; did you mean 'sge'"):
        find_attention_sites(GatedNet(), IMAGE, "sge2")
    with pytest.raises(UserError, match="position"):
        find_attention_sites(GatedNet(), IMAGE, position="somewhere")


def test_torchvisions_self_attentions_are_found():
    vit = torchvision.models.VisionTransformer(16, 8, 2, 2, 16, 32)
    found = find_attention_sites(vit, torch.zeros(2, 3, 16, 16))
    assert set(found.own) == {"MultiheadAttention"}
    assert list(found.removed) == [3, 3]  # with its norm and its dropout
