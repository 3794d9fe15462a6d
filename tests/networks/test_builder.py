"""Networks of every space: empty, placed, pruned, compiled."""

import pytest
import timm
import torch
from torch import nn

from ean_search.attention.registry import ATTENTIONS
from ean_search.core.space import load_space, shipped_spaces
from ean_search.networks.builder import (
    Slot,
    build,
    paths_before_pruning,
    place,
    place_per_sample,
    prune,
    slots,
)
from ean_search.networks.sites import find_sites, make_backbone, probe
from ean_search.utils.errors import UserError
from tests.helpers import load_small, mark_slow, randomise

SPACES = dict.fromkeys(ATTENTIONS, "resnet18_shared") | {
    "broad": "swin_tiny_broad",
    "key_only": "convformer_s18_keyonly",
    "full": "convformer_s18_keyonly",
    "own": "deit_small_own",
}


# One of each kind; the others take about a second each.
QUICK_SPACES = "tiny resnet18_shared resnet26_small resnet50_mrla_light resnet50_mrla_base".split()
QUICK_SPACES += "deit_tiny_mrla deit_tiny_broad swin_tiny_broad mobilenetv3_own".split()


@pytest.mark.parametrize(
    "name", mark_slow(shipped_spaces(), set(shipped_spaces()) - set(QUICK_SPACES))
)
def test_nothing_attached_is_the_plain_backbone_to_the_bit(name, rng):
    space = load_small(name)
    x = torch.randn(2, 3, space.image_size, space.image_size)
    network = randomise(build(space, classes=10)).eval()
    plain = make_backbone(space, classes=10).eval()
    if space.own_attention == "remove":
        for site in find_sites(space):
            plain.set_submodule(site.module_path, nn.Identity())
    as_it_is = space.named["all" if space.has_own else "none"]
    pruned = prune(network, as_it_is)
    plain.load_state_dict(pruned.state_dict())
    with torch.inference_mode():
        assert torch.equal(place(network, as_it_is)(x), plain(x))
        for placement in [space.named["none"], space.named["all"], space.sample(rng)]:
            placed = place(network, placement)(x)
            assert torch.allclose(placed, prune(network, placement)(x), atol=1e-5)
            assert placement == as_it_is or not torch.equal(placed, plain(x))


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["se", "dia", "sge", "spa", "cbam"])
def test_pruned_networks_equal_placed_ones(attention, rng, images):
    space = load_space("resnet164_shared", attention={"name": attention})
    if attention == "dia":
        space = load_space("resnet164_shared", attention={"name": "dia", "reduction": 4})
    network = randomise(build(space)).eval()
    with torch.inference_mode():
        for _ in range(3):
            placement = space.sample(rng)
            placed, pruned = place(network, placement)(images), prune(network, placement)(images)
            assert torch.allclose(placed, pruned, atol=1e-5)


@pytest.mark.slow
def test_resnet50_with_nothing_attached_is_the_one_of_timm():
    network = build(load_space("resnet50_shared"), classes=10, seed=3).eval()
    torch.manual_seed(3)
    plain = timm.create_model("resnet50", num_classes=10).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(network(x), plain(x))


def test_pruned_networks_have_no_slots_and_no_idle_modules(tiny):
    network = build(tiny)
    pruned = prune(network, tiny.parse("1010"))
    assert not any(isinstance(module, Slot) for module in pruned.modules())
    assert pruned.layer2[0].se is None
    assert pruned.layer3[0].se is not None
    assert len(slots(network)) == 4


@pytest.mark.slow
def test_sharing_is_by_stage_and_channels():
    shared, own = (load_space("resnet18_shared", sharing=sharing) for sharing in ("stage", "none"))
    modules = [[slot.attentions[0] for slot in slots(build(space))] for space in (shared, own)]
    assert [len(set(attentions)) for attentions in modules] == [4, 8]
    inside = build(load_space("efficientnet_b0_shared"))
    groups = {(s.site.stage, s.site.channels): s.attentions[0] for s in slots(inside)}
    assert all(s.attentions[0] is groups[s.site.stage, s.site.channels] for s in slots(inside))


def test_modules_of_the_backbone_stay_where_nothing_is_attached(images):
    space = load_space("regnet_shared", backbone="regnety_002", stages=[], attention="eca")
    network = build(space).eval()
    assert all(slot.original is not None for slot in slots(network))
    plain = make_backbone(space, 10).eval()
    plain.load_state_dict(prune(network, probe(space).named["none"]).state_dict())
    with torch.inference_mode():
        assert torch.equal(network(images), plain(images))


def test_each_image_may_have_its_own_placement(tiny, images):
    network = randomise(build(tiny)).eval()
    placements = [tiny.parse(text) for text in ("0000", "1111", "1010", "0101")]
    with torch.inference_mode():
        together = place_per_sample(network, placements)(images)
        for row, placement in enumerate(placements):
            alone = place(network, placement)(images[row : row + 1])
            assert torch.allclose(together[row], alone[0], atol=1e-5)


def test_the_backbones_weights_do_not_depend_on_the_attention(tiny):
    other = load_space("tiny", attention="eca")
    weights = [prune(build(s, seed=5), s.named["none"]).state_dict() for s in (tiny, other)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_a_placement_of_another_space_is_refused(tiny_network):
    with pytest.raises(UserError, match="expected a placement of 4 sites, got 00-00-00-00"):
        place(tiny_network, load_space("resnet18_shared").named["none"])


def test_stateful_attention_has_one_placement_per_batch():
    space = load_space("resnet18_shared", attention={"name": "dia", "reduction": 4})
    network = build(space)
    with pytest.raises(UserError, match="one placement for the whole batch"):
        place_per_sample(network, [space.named["all"]] * 2)


def test_paths_before_pruning_lead_to_the_same_modules(tiny):
    network, placement = build(tiny), tiny.parse("1010")
    pruned = prune(network, placement)
    paths = paths_before_pruning(network, placement)
    names = [name for name, _ in pruned.named_parameters()]
    assert names
    for name in names:
        path, _, parameter = name.rpartition(".")
        before = getattr(network.get_submodule(paths[path]), parameter)
        assert torch.equal(pruned.get_parameter(name), before)


def test_pruning_leaves_the_network_as_it_is(tiny, images):
    network = randomise(build(tiny)).eval()
    place(network, tiny.parse("1010"))
    with torch.inference_mode():
        expected = network(images)
        prune(network, tiny.parse("0101"))
        assert torch.equal(network(images), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_every_written_attention_compiles_and_exports(name):
    space = load_small(SPACES[name], attention=name, unit_gate=False)
    network = prune(randomise(build(space)).eval(), space.named["every-other"])
    x = torch.randn(2, 3, space.image_size, space.image_size)
    with torch.no_grad():
        expected = network(x)
        compiled = torch.compile(network, fullgraph=True, backend="eager")
        assert torch.allclose(compiled(x), expected, atol=1e-5)
        batch = {0: torch.export.Dim.DYNAMIC}
        program = torch.export.export(network, (x,), dynamic_shapes=(batch,))
        more = torch.cat([x, x[:1]])
        assert torch.allclose(program.module()(more), network(more), atol=1e-4)


def test_there_is_a_space_for_every_written_attention():
    assert set(SPACES) == set(ATTENTIONS)
