"""Branches: what is added to a block's output, and to a class token."""

import pytest
import torch

from ean_search.attention.branches import MapBranch, NoBranch, TokenBranch
from ean_search.utils.errors import UserError


def test_a_map_branch_adds_a_normed_map():
    branch = MapBranch(4, drop_path=0.0).train()
    x, y = torch.randn(8, 4, 5, 5), 3 + 2 * torch.randn(8, 4, 5, 5)
    maps, class_token = branch.prepare(x, y)
    assert (maps, class_token) == ((x, y), None)
    added = branch.add(x, y, class_token) - x
    assert torch.allclose(added.mean((0, 2, 3)), torch.zeros(4), atol=1e-5)
    assert torch.allclose(added.std((0, 2, 3)), torch.ones(4), atol=1e-2)


def test_an_activation_follows_the_norm_where_it_is_asked_for():
    branch = MapBranch(4, drop_path=0.0, activation=True).train()
    x = torch.zeros(8, 4, 5, 5)
    assert branch.add(x, torch.randn(8, 4, 5, 5), None).min() == 0


def test_without_a_branch_the_map_is_attended_to_as_it_is_and_nothing_is_added():
    branch, x = NoBranch(), torch.randn(8, 4, 5, 5)
    (x_map,), class_token = branch.prepare(x)
    assert x_map is x
    assert branch.add(x, torch.randn(8, 4, 5, 5), class_token) is x
    assert not branch.state_dict()


@pytest.mark.parametrize("mode", ["add", "skip"])
def test_the_class_token_is_increased_by_its_norm_or_left_as_it_is(mode):
    branch = TokenBranch(8, prefix=1, cls_mode=mode, norms=1)
    tokens = torch.randn(2, 1 + 16, 8)
    (x_map,), class_token = branch.prepare(tokens)
    assert x_map.shape == (2, 8, 4, 4)
    out = branch.add(tokens, torch.zeros_like(x_map), class_token)
    assert torch.equal(out[:, 1:], tokens[:, 1:])
    norm = torch.nn.functional.layer_norm(tokens[:, :1], (8,), eps=1e-6)
    expected = tokens[:, :1] + norm if mode == "add" else tokens[:, :1]
    assert torch.allclose(out[:, :1], expected, atol=1e-6)


def test_other_modes_are_refused():
    with pytest.raises(UserError, match="expected cls_mode add or skip, got 'both'"):
        TokenBranch(8, prefix=1, cls_mode="both", norms=1)
