"""A user's module is a backbone by its name, and the user's own object is never touched."""

import copy

import pytest
import torch
from torch import nn

from ean_search.networks.example import Example
from ean_search.networks.live import check_example, find_live, fingerprint, register_live
from ean_search.utils.errors import UserError
from tests.networks.modules import GatedNet

EXAMPLE = Example.of(torch.zeros(1, 1, 8, 8))


def test_the_name_is_that_of_the_class_and_the_weights():
    module = GatedNet()
    live = register_live(module, EXAMPLE)
    assert live.name.startswith("live/GatedNet-")
    assert find_live(live.name) is live
    assert live.module is not module
    assert register_live(copy.deepcopy(module), EXAMPLE).name == live.name
    with torch.no_grad():
        module.head.bias += 1e-6
    assert fingerprint(module, EXAMPLE) not in live.name
    other_size = Example.of(torch.zeros(1, 1, 16, 16))
    assert fingerprint(live.module, other_size) not in live.name


def test_a_name_is_forgotten_with_its_last_value():
    module = GatedNet()
    first, second = (register_live(module, EXAMPLE) for _ in range(2))
    name = first.name
    assert find_live(name) is second
    del second
    assert find_live(name) is first
    del first
    with pytest.raises(UserError, match="is a module from Python, and this process was not given"):
        find_live(name)


def test_what_is_no_module_or_has_no_copy_is_refused():
    with pytest.raises(UserError, match="expected a torch module to search in, got str"):
        register_live("resnet18", EXAMPLE)
    network = GatedNet()
    network.handle = (i for i in range(3))
    with pytest.raises(UserError, match="GatedNet cannot be copied"):
        register_live(network, EXAMPLE)


class Noisy(nn.Module):
    def forward(self, x):
        return x + torch.rand(())


class Silent(nn.Module):
    def forward(self, x):
        return "nothing"


@pytest.mark.parametrize(
    ("module", "example", "message"),
    [
        (GatedNet(), torch.zeros(1, 3, 8, 8), r"does not take the example \(1 x 3 x 8 x 8\): Run"),
        (Noisy(), torch.zeros(2), "Noisy is not deterministic in evaluation mode"),
        (Silent(), torch.zeros(2), "Silent returns no tensor for the example"),
    ],
)
def test_an_example_must_fit(module, example, message):
    with pytest.raises(UserError, match=message):
        check_example(register_live(module, Example.of(example)))
    check_example(register_live(GatedNet(), EXAMPLE))
    broken = GatedNet()
    nn.init.constant_(broken.head.bias, float("nan"))
    check_example(register_live(broken, EXAMPLE))  # the same NaN twice
