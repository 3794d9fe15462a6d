"""Walks over many placements: the logits of separate passes, shared prefixes computed once."""

import pytest
import torch

from ean_search.core.space import load_space, shipped_spaces
from ean_search.evaluation.cut_graph import CutError
from ean_search.evaluation.prefix_tree import PrefixTree, check_tree
from ean_search.networks.builder import build, place
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


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 6])  # one branch at a time, and three side by side
@pytest.mark.parametrize("name", shipped_spaces())
def test_a_walk_equals_one_pass_after_another(name, rows, rng):
    # Large maps make some gates amplify what single precision rounds off, double leaves them room.
    compare_walk(name, rows, rng, torch.double, share=1e-9, rtol=0)


@pytest.mark.parametrize("rows", [1, 6])
@pytest.mark.parametrize(
    "name",
    [
        "tiny",
        pytest.param("resnet50_shared", marks=pytest.mark.slow),
        pytest.param("resnet164_shared", marks=pytest.mark.slow),
    ],
)
def test_a_walk_equals_them_in_single_precision_too(name, rows, rng):
    compare_walk(name, rows, rng, torch.float, share=1e-6, rtol=1e-5)


@pytest.mark.slow
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


def test_a_tree_that_computes_something_else_is_refused(tiny_network, images):
    tree = PrefixTree(randomise(tiny_network))
    check_tree(tree, tiny_network, images)
    tiny_network.layer2[0].se.forward = torch.relu
    with pytest.raises(CutError, match="do not compute"):
        check_tree(tree, tiny_network, images)


@pytest.mark.slow
def test_a_walk_holds_two_maps_per_site():
    network = build(load_space("resnet50_shared")).eval()
    maps = [(256, 16, 3), (512, 8, 4), (1024, 4, 6), (2048, 2, 3)]
    expected = sum(2 * 4 * channels * size**2 * sites for channels, size, sites in maps)
    held = PrefixTree(network).bytes_held(torch.randn(2, 3, 64, 64)) / 2
    assert held == pytest.approx(expected, rel=0.02)
