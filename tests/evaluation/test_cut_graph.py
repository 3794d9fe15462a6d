"""Cutting a network at its slots: the pieces, one after another, are the network."""

import pytest
import timm
import torch
from torch import nn

from ean_search.core.space import Space
from ean_search.evaluation.cut_graph import CutError, cut_at_slots
from ean_search.evaluation.prefix_tree import PrefixTree
from ean_search.networks.builder import build, place, slots
from ean_search.networks.sites import probe
from tests.helpers import load_small, randomise, slow, space_of


def test_pieces_and_slots_in_turn_compute_the_logits(tiny, tiny_network, images):
    network = place(randomise(tiny_network), tiny.parse("1010"))
    graph = cut_at_slots(network)
    values = {graph.image: images}
    with torch.inference_mode():
        graph.pieces[0].run(values)
        for cut, piece in zip(graph.cut_points, graph.pieces[1:], strict=True):
            values[cut.output] = cut.module(*(values[name] for name in cut.inputs))
            piece.run(values)
        assert torch.equal(values.pop(graph.logits), network(images))
    assert not values  # every piece drops what is not needed any more


def test_every_slot_is_a_cut_point(tiny_network):
    graph = cut_at_slots(tiny_network)
    assert [cut.module for cut in graph.cut_points] == slots(tiny_network)
    assert len(graph.pieces) == len(graph.cut_points) + 1


def test_a_shortcut_passes_a_slot(tiny_network):
    for cut in cut_at_slots(tiny_network).cut_points:
        assert cut.passing - set(cut.inputs)  # the shortcut of the slot's block
        assert cut.output in cut.passing


@pytest.mark.parametrize(("name", "can_stack"), [("tiny", True), slow("swin_tiny_broad", False)])
def test_sizes_that_are_carried_keep_branches_apart(name, can_stack):
    assert cut_at_slots(build(load_small(name)).eval()).can_stack == can_stack


def test_weights_that_change_later_count(tiny, tiny_network, images):
    network = place(tiny_network, tiny.named["none"])
    tree = PrefixTree(network)
    randomise(network, seed=1)
    with torch.inference_mode():
        ((_, logits),) = tree.walk(images, [tiny.named["none"]])
        assert torch.equal(logits, network(images))


class Branching(nn.Module):
    """A network that looks at its data to decide what to do."""

    def __init__(self, num_classes):
        super().__init__()
        self.net = timm.create_model("resnet18", num_classes=num_classes)

    def forward(self, x):
        return self.net(x) if x.shape[0] > 0 and float(x.detach().norm()) >= 0 else x


class Ensemble(Branching):
    """A network whose blocks run twice."""

    def forward(self, x):
        return self.net(x) + self.net(2 * x)


@pytest.mark.parametrize(
    ("kind", "words"), [(Branching, "cannot be traced"), (Ensemble, "one after another, each once")]
)
def test_networks_that_cannot_be_cut_say_why(kind, words):
    space = Space(name="x", backbone="resnet18", attention="se", image_size=64)
    network = kind(10)
    network.net = build(probe(space))
    with pytest.raises(CutError, match=words):
        PrefixTree(network)


@pytest.mark.slow
def test_a_self_attention_is_given_what_is_the_same_for_all_images():
    space = probe(load_small("swin_tiny_own"))
    network = build(space, classes=3).eval()
    shifted = cut_at_slots(network).cut_points[1]
    assert torch.equal(shifted.named["mask"], network.layers[0].blocks[1].attn_mask)


@pytest.mark.slow
def test_a_slot_that_is_given_sizes_is_no_place_to_cut():
    space = probe(space_of("pvt_v2_b0", attention="own", image_size=64))
    with pytest.raises(CutError):
        cut_at_slots(build(space, classes=3).eval())
