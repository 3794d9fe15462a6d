"""Gates are found by what they compute, whatever their classes are called."""

import torch
from torch import nn

from ean_search.networks.example import Example
from ean_search.networks.positions.gate import module_paths
from tests.networks.modules import Gate, GatedBlock


class Scale(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x):
        return x * self.weight


class Swish(nn.Module):
    def forward(self, x):
        return x * x.sigmoid()


class TwoGates(nn.Module):
    """As CBAM: one gate after the other."""

    def __init__(self, channels):
        super().__init__()
        self.first, self.second = Gate(channels), Gate(channels)

    def forward(self, x):
        return self.second(self.first(x))


def find(*modules):
    network = nn.Sequential(nn.Conv2d(3, 8, 1), *modules)
    return module_paths(network, Example.of(torch.randn(2, 3, 6, 6)))


def test_a_gate_is_found_in_a_block_and_alone():
    assert find(GatedBlock(8), nn.ReLU(), Gate(8)) == ["1.recalibrate", "3"]


def test_of_nested_gates_the_outer_one_counts():
    assert find(TwoGates(8)) == ["1"]
    assert find(nn.Sequential(Gate(8))) == ["1.0"]


def test_scales_activations_and_layers_are_no_gates():
    assert find(Scale(8), Swish(), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1), nn.Dropout()) == []


def test_a_gate_in_place_is_one():
    class InPlace(Gate):
        def forward(self, x):
            gate = self.excite(x.mean((2, 3), keepdim=True)).sigmoid()
            return x.mul_(gate)

    assert find(nn.BatchNorm2d(8), InPlace(8)) == ["2"]
