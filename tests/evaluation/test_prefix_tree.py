import pytest
import timm
import torch
from torch import nn

from ean_search.core.space import Space, load_space, shipped_spaces
from ean_search.evaluation.prefix_tree import CutError, PrefixTree, check_tree
from ean_search.networks.builder import build, place
from ean_search.networks.sites import probe
from tests.helpers import load_small, randomise


def logits_of(tree, images, placements, rows=1):
    found = {}
    with torch.inference_mode():
        for members, logits in tree.walk(images, placements, rows):
            found |= {placements[i]: logits for i in members}
    return found


def compare_walk(name, rows, rng, dtype, share, rtol):
    """Compare a cohort's logits with single passes; networks with random norms have large ones."""
    space = load_small(name)
    network = randomise(build(space)).to(dtype).eval()
    images = torch.randn(2, 3, space.image_size, space.image_size, dtype=dtype)
    placements = [space.named["none"], space.named["all"], *(space.sample(rng) for _ in range(6))]
    found = logits_of(PrefixTree(network), images, placements, rows)
    with torch.inference_mode():
        for placement in placements:
            expected = place(network, placement)(images)
            tolerance = share * max(1.0, float(expected.abs().max()))
            assert torch.allclose(found[placement], expected, rtol=rtol, atol=tolerance)


@pytest.mark.parametrize("rows", [1, 6])  # one branch at a time, and three side by side
@pytest.mark.parametrize("name", shipped_spaces())
def test_a_walk_equals_one_pass_after_another(name, rows, rng):
    # Large maps make some gates amplify what single precision rounds off, double leaves them room.
    compare_walk(name, rows, rng, torch.double, share=1e-9, rtol=0)


@pytest.mark.parametrize("rows", [1, 6])
@pytest.mark.parametrize("name", ["tiny", "resnet50_shared", "resnet164_shared"])
def test_a_walk_equals_them_in_single_precision_too(name, rows, rng):
    compare_walk(name, rows, rng, torch.float, share=1e-6, rtol=1e-5)


@pytest.mark.parametrize("rows", [1, 6])
def test_states_follow_their_branches(rows, rng, images):
    space = load_space("resnet164_shared", attention={"name": "dia", "reduction": 4})
    network = randomise(build(space)).eval()
    placements = [space.sample(rng) for _ in range(5)]
    found = logits_of(PrefixTree(network), images, placements, rows)
    with torch.inference_mode():
        for placement in placements:
            assert torch.allclose(found[placement], place(network, placement)(images), atol=1e-6)


def test_common_prefixes_are_computed_once(tiny, tiny_network, images):
    calls = []
    for stage in (tiny_network.layer1, tiny_network.layer4):
        stage[0].conv1.register_forward_hook(lambda module, *_: calls.append(module))
    found = logits_of(PrefixTree(tiny_network), images, tiny.enumerate())
    assert len(found) == 16
    assert calls.count(tiny_network.layer1[0].conv1) == 1
    assert calls.count(tiny_network.layer4[0].conv1) == 8


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


def test_a_tree_that_computes_something_else_is_refused(tiny_network, images):
    tree = PrefixTree(randomise(tiny_network))
    check_tree(tree, tiny_network, images)
    tiny_network.layer2[0].se.forward = torch.relu
    with pytest.raises(CutError, match="do not compute"):
        check_tree(tree, tiny_network, images)
