from functools import partial

import pytest
import torch
from torch import nn

from ean_search.attention.registry import ATTENTIONS, TIMM_ATTENTIONS, find_attention
from ean_search.testing.check_attention import check_attention
from ean_search.utils.errors import UserError

# Attentions of timm that do not work on every map: three need certain map sizes, and `ge` cannot be
# built in some versions of timm.
EXCLUDED = {"bottleneck", "halo", "bat", "ge"}


class Halving(nn.Module):
    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return x[:, ::2]


class Remembering(Halving):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.calls


class Mixing(Halving):
    def forward(self, x):
        return x * torch.sigmoid(x.mean(0, keepdim=True))


class InfiniteGradient(Halving):
    def forward(self, x):
        return x * (x - x).abs().sqrt()


@pytest.mark.parametrize("name", [*ATTENTIONS, *sorted(set(TIMM_ATTENTIONS) - EXCLUDED)])
def test_registered_attentions_keep_the_contract(name):
    check_attention(name)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Halving, r"gives \(3, 32, 7, 7\), not \(3, 64, 7, 7\)"),
        (Remembering, "remembers its last call"),
        (Mixing, "mixes the images of a batch"),
        (InfiniteGradient, "gradients that are not finite"),
    ],
)
def test_a_broken_promise_is_named(kind, words):
    with pytest.raises(UserError, match=words):
        check_attention(kind)
    with pytest.raises(UserError, match=words):
        check_attention(f"{__name__}:{kind.__name__}")


def test_a_class_may_be_given_instead_of_its_name():
    class Scaling(nn.Module):
        def __init__(self, channels, factor=1.0):
            super().__init__()
            self.scale = nn.Parameter(torch.full((channels, 1, 1), factor))

        def forward(self, x):
            return x * self.scale

    check_attention(Scaling, factor=0.5)
    with pytest.raises(UserError, match=r"cannot be built with \{'fctor': 0.5\}"):
        check_attention(Scaling, fctor=0.5)


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    check_attention("se")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_module_that_is_made_already_is_accepted():
    plain = nn.GroupNorm(4, 32)
    check_attention(plain, channels=32)
    assert type(plain) is nn.GroupNorm
    check_attention(find_attention("dia")(64))
    with pytest.raises(UserError, match="expected options of a class; this GroupNorm is made"):
        check_attention(plain, channels=32, eps=1.0)
    with pytest.raises(UserError, match=r"gives \(3, 32, 7, 7\), not \(3, 64, 7, 7\)"):
        check_attention(Halving(64))
    with pytest.raises(UserError, match="'GroupNorm' on 64 x 7 x 7 breaks: RuntimeError"):
        check_attention(plain)


def test_a_partial_of_a_class_is_accepted():
    check_attention(partial(nn.GroupNorm, 4))
