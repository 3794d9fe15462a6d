"""The contract of attentions: what a plain module class gets from `as_attention`."""

import copy
import io
import pickle
from functools import partial

import cloudpickle
import pytest
import torch
from torch import nn

from ean_search.attention.base import Attention, as_attention
from ean_search.attention.registry import make_attention
from ean_search.attention.se import SE
from ean_search.core.space import load_space
from ean_search.networks.builder import build, place, prune
from ean_search.utils.errors import UserError


class Plain(nn.Module):
    """A module that knows nothing of the contract."""

    def __init__(self, channels, factor=1.0):
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1)
        self.factor = factor

    def forward(self, x):
        return self.factor * self.mix(x)


class Declared(nn.Module):
    """A plain module that declares something about itself."""

    positions = ("block",)
    additive = False
    shared = ("mix",)

    def __init__(self, channels):
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1)


class Hidden(nn.Module):
    """A plain module with a part whose name the contract uses."""

    def __init__(self, channels):
        super().__init__()
        self.chain = nn.Conv2d(channels, channels, 1)


def by_pickle(module):
    return pickle.loads(pickle.dumps(module))


def by_cloudpickle(module):
    return pickle.loads(cloudpickle.dumps(module))


def by_torch(module):
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def test_a_plain_module_gets_the_defaults_and_keeps_its_weights_and_output():
    attention = as_attention(Plain)(8)
    plain = Plain(8)
    assert isinstance(attention, Attention)
    assert isinstance(attention, Plain)
    assert (attention.positions, attention.num_inputs) == (("residual", "block"), 1)
    assert not any([attention.stateful, attention.takes_tokens, attention.writes_only])
    assert list(attention.state_dict()) == list(plain.state_dict())
    attention.load_state_dict(plain.state_dict())
    x = torch.randn(2, 8, 3, 3)
    assert torch.equal(attention(x), plain(x))
    assert type(attention).__name__ == "Plain"


def test_a_class_has_one_attention_class():
    assert as_attention(Plain) is as_attention(Plain)
    assert as_attention(as_attention(Plain)) is as_attention(Plain)


def test_a_plain_modules_own_declaration_takes_precedence():
    kind = as_attention(Declared)
    assert (kind.positions, kind.additive, kind.shared) == (("block",), False, ("mix",))
    assert kind.num_inputs == 1


def test_a_partial_has_the_arguments_of_both():
    kind = as_attention(partial(Plain, factor=0.5))
    x = torch.randn(1, 4, 2, 2)
    half, whole = kind(4), kind(4, factor=1.0)
    whole.load_state_dict(half.state_dict())
    assert torch.equal(2 * half(x), whole(x))
    assert isinstance(half, Attention)
    assert as_attention(partial(SE, reduction=2)).positions == SE.positions


def test_a_subclass_is_returned_as_it_is():
    assert as_attention(SE) is SE


@pytest.mark.parametrize("kind", ["SE", 3, [], {}, print, nn.Identity(), partial(print), int])
def test_other_things_are_refused(kind):
    with pytest.raises(UserError, match="expected an attention to be a class of torch modules"):
        as_attention(kind)


@pytest.mark.parametrize("again", [copy.deepcopy, by_pickle, by_cloudpickle, by_torch])
@pytest.mark.parametrize("source", [Plain, partial(Plain, factor=0.5), SE])
def test_modules_are_copied_and_pickled(again, source):
    attention = as_attention(source)(64)
    other = again(attention)
    x = torch.randn(1, 64, 3, 3)
    assert isinstance(other, Attention)
    assert other.positions == attention.positions
    assert torch.equal(other(x), attention(x))
    attention.load_state_dict({k: v + 1 for k, v in attention.state_dict().items()})
    assert not torch.equal(other(x), attention(x))  # its weights are its own


def test_a_copy_has_the_same_class():
    for source in (Plain, partial(Plain, factor=0.5)):
        attention = as_attention(source)(4)
        assert type(copy.deepcopy(attention)) is type(attention)


def test_a_network_with_plain_modules_is_pickled_whole():
    space = load_space("tiny", attention=f"{__name__}:Plain", unit_gate=False)
    network = prune(place(build(space), space.named["all"]), space.named["all"]).eval()
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(by_torch(network)(x), network(x))


def test_parts_must_not_have_names_of_the_contract():
    with pytest.raises(UserError, match="Hidden' calls a part of it 'chain'"):
        make_attention(f"{__name__}:Hidden", 8)


def test_an_attention_that_finishes_no_stage_says_so():
    with pytest.raises(NotImplementedError, match="SE declares no finishes_stage"):
        SE(64).finish(torch.zeros(1), None)
