"""Timing of networks and of attentions alone: what is run, how often, and what is reported."""

import pytest
import torch
from torch import nn

from ean_search.attention.base import Attention
from ean_search.attention.state import ChainedAttention, StateHolder
from ean_search.core.trial import Cost
from ean_search.costs.network_latency import (
    AttentionAlone,
    measure_latency,
    time_attachments,
    time_networks,
)
from ean_search.costs.table import CostTable
from ean_search.networks.builder import build, slots
from ean_search.networks.example import Example
from tests.helpers import space_of

FREE = Cost(sites=0, params=0, macs=0, flops=0, latency_ms=0.0, activation_bytes=0)
TABLE = CostTable(FREE, (), image_size=20, batch_size=3, hardware="a CPU")
WARM_UP = 3


class Recorder(nn.Module):
    """Notes the images that it is given, whether it trains, and whose turn it is."""

    def __init__(self, name="", turns=None):
        super().__init__()
        self.name, self.turns = name, [] if turns is None else turns
        self.calls = []

    def forward(self, images):
        self.calls.append((tuple(images.shape), self.training, torch.is_grad_enabled()))
        self.turns.append(self.name)
        return images


class Count(Attention):
    """Adds the number of sites before this one."""

    stateful = True

    def forward(self, x, state):
        state = 0 if state is None else state
        return x + state, state + 1


class CountAtTheEnd(Count):
    """Hands the number of sites to the end of the stage."""

    finishes_stage = True

    def finish(self, x, state):
        return x + 10 * state


def build_resnet18(attention):
    return build(space_of("resnet18", attention=attention, image_size=32), classes=3)


@pytest.fixture
def timed(monkeypatch):
    """Run every call once in place of timing it; a choice `k` takes k + 1 ms. Return the names."""
    names = []

    def run_all(forwards, **_):
        names.extend(forwards)
        with torch.inference_mode():
            for forward in forwards.values():
                forward()
        return {name: 1.0 + int(name.split()[0]) for name in forwards}

    monkeypatch.setattr("ean_search.costs.network_latency.time_interleaved", run_all)
    return names


def test_networks_are_timed_on_the_tables_batches_and_as_they_answer():
    network = Recorder().train()
    latency = measure_latency({"plain": network}, TABLE, rounds=2)
    assert latency["plain"] > 0
    assert network.calls == [((3, 3, 20, 20), False, False)] * (WARM_UP + 2)


def test_networks_take_turns_and_every_round_is_kept():
    turns = []
    networks = {name: Recorder(name, turns) for name in ("plain", "found")}
    times = time_networks(networks, TABLE, rounds=4)
    assert turns == ["plain", "found"] * (WARM_UP + 4)
    assert {name: len(t.rounds) for name, t in times.items()} == {"plain": 4, "found": 4}


def test_equal_weights_are_one_in_memory_while_they_are_timed():
    networks = {name: nn.Conv2d(3, 4, 1, bias=name == "other") for name in ("one", "copy", "other")}
    networks["copy"].load_state_dict(networks["one"].state_dict())
    expected = {name: network.weight.clone() for name, network in networks.items()}
    time_networks(networks, TABLE, rounds=1)
    places = {name: network.weight.data_ptr() for name, network in networks.items()}
    assert places["one"] == places["copy"] != places["other"]
    for name, network in networks.items():
        assert torch.equal(network.weight, expected[name])


def test_the_latency_of_a_network_is_the_median_of_its_rounds(monkeypatch):
    seconds = iter([9.0] * WARM_UP + [0.001, 0.002, 0.5])
    monkeypatch.setattr("ean_search.costs.stopwatch._time_once", lambda *_: next(seconds))
    assert measure_latency({"plain": Recorder()}, TABLE, rounds=3) == {"plain": pytest.approx(2.0)}


def random_inputs(network):
    return [Example(slot.site.example_inputs(2), {}) for slot in slots(network)]


@pytest.mark.parametrize("attention", [["se", "sge"], ["mrla_base"]])
@pytest.mark.usefixtures("timed")
def test_every_choice_of_every_site_is_priced_above_the_empty_site(attention):
    network = build_resnet18(attention)
    times = time_attachments(network, random_inputs(network), "cpu", 1)
    assert times == [[float(k) for k in range(1, len(attention) + 1)]] * len(slots(network))


def test_equal_maps_are_timed_once(timed):
    network = build_resnet18("se")
    time_attachments(network, random_inputs(network), "cpu", 1)
    shapes = {(slot.site.channels, slot.site.height, slot.site.width) for slot in slots(network)}
    assert len(shapes) < len(slots(network))
    assert len(timed) == 2 * len(shapes)  # empty, and with the attention


def test_an_attention_alone_starts_from_the_state_that_it_is_given():
    x = torch.zeros(1, 2)
    for state, expected in ((None, 0), (4, 4)):
        y, after = AttentionAlone(ChainedAttention(Count(), StateHolder()), state)(x)
        assert (y == expected).all()
        assert after == expected + 1


def test_an_attention_that_finishes_a_stage_is_finished():
    alone = AttentionAlone(ChainedAttention(CountAtTheEnd(), StateHolder()), 4)
    assert float(alone(torch.ones(1))) == 50  # not 51: nothing of a stage is there to be added to
