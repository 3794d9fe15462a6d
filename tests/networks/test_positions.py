"""Homes are found, filled and emptied again."""

import pytest
import torch

from ean_search.core.space import Space
from ean_search.networks.builder import build, place, prune, slots
from ean_search.networks.positions.registry import find_position
from ean_search.networks.positions.wrappers import (
    AttentionAfterBlock,
    AttentionBefore,
    WithChainEnds,
)
from ean_search.networks.sites import find_sites, make_backbone, probe
from ean_search.utils.errors import UserError
from tests.helpers import load_small, randomise


def space_of(backbone, **fields):
    own = {"name": "own", "backbone": backbone, "attention": "se", "image_size": 64}
    return probe(Space(**own | fields))


@pytest.mark.parametrize(
    ("backbone", "position", "home", "layout"),
    [
        ("resnet18", "residual", "layer1.0.se", "nchw"),
        ("convnext_atto", "residual", "stages.0.blocks.0.drop_path", "nchw"),
        ("resnet18", "block", "layer1.0", "nchw"),
        ("convnext_atto", "block", "stages.0.blocks.0", "nchw"),
    ],
)
def test_homes_are_found(backbone, position, home, layout):
    site = find_sites(space_of(backbone, position=position))[0]
    assert (site.position, site.module_path, site.layout) == (position, home, layout)
    assert site.block == home.removesuffix(".se").removesuffix(".drop_path")


def test_blocks_are_those_that_add_their_input():
    found = {site.module_path for site in find_sites(space_of("efficientnet_b0", position="block"))}
    assert "blocks.1.1" in found
    assert not {"blocks.0.0", "blocks.1.0"} & found  # they change the shape, and have no shortcut
    resnet = find_sites(space_of("resnet18", position="block"))
    assert [s.module_path for s in resnet] == [
        f"layer{i}.{j}" for i in range(1, 5) for j in range(2)
    ]


@pytest.mark.parametrize(
    ("backbone", "args", "layout", "prefix"),
    [
        ("deit_tiny_patch16_224", {"img_size": 64}, "tokens", 1),
        ("swin_tiny_patch4_window7_224", {"img_size": 64, "window_size": 4}, "nhwc", 0),
    ],
)
@pytest.mark.parametrize("position", ["residual", "block"])
def test_gates_fit_maps_of_any_layout(backbone, args, layout, prefix, position):
    space = space_of(backbone, backbone_args=args, position=position)
    site = find_sites(space)[0]
    expected = (
        "tokens" if "swin" in backbone and site.module_path.endswith("drop_path2") else layout
    )
    assert (site.layout, site.prefix) == (expected, prefix)
    network = randomise(build(space)).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        plain = make_backbone(space, 10).eval()
        plain.load_state_dict(prune(network, space.named["none"]).state_dict())
        assert torch.equal(place(network, space.named["none"])(x), plain(x))
        attached = place(network, space.named["all"])(x)
        assert torch.equal(prune(network, space.named["all"])(x), attached)
        assert not torch.equal(attached, plain(x))


def test_pruning_takes_wraps_away(rng):
    space = load_small("resnet50_mrla_base")
    network = build(space)
    pruned = prune(network, space.parse("000-0010-000000-021"))
    assert sum(isinstance(m, AttentionAfterBlock) for m in pruned.modules()) == 3
    plain = prune(network, space.named["none"])
    assert {*plain.state_dict()} == {*make_backbone(space, 10).state_dict()}
    broad = load_small("deit_small_broad")
    plain = prune(build(broad), broad.named["none"])
    assert not any(isinstance(m, WithChainEnds) for m in plain.modules())


def test_a_drop_path_stays_behind_the_attention():
    space = space_of("convnext_atto", backbone_args={"drop_path_rate": 0.1})
    everything = prune(build(space), space.named["all"])
    last = everything.stages[3].blocks[-1].drop_path
    assert isinstance(last, AttentionBefore)
    assert last.inner.drop_prob > 0


def test_the_shortcut_is_the_projected_one():
    space = space_of("resnet18", attention={"name": "mrla_light", "drop_path": 0.0})
    network = build(space).eval()
    seen = {}
    for slot in slots(network):
        slot.register_forward_hook(lambda s, given, _: seen.update({s.site.module_path: given}))
    with torch.no_grad():
        network(torch.randn(1, 3, 64, 64))
    for home, (x, previous) in seen.items():
        assert x.shape == previous.shape, home


def test_attentions_of_different_positions_do_not_share_a_space():
    with pytest.raises(UserError, match=r"no position is right.*se: residual or block; broad: qkv"):
        space_of("deit_tiny_patch16_224", attention=["se", "broad"], image_size=224)
    with pytest.raises(UserError, match="mrla_light: goes to position block, not residual"):
        space_of("resnet18", attention="mrla_light", position="residual")
    with pytest.raises(UserError, match="unknown position 'blok'; did you mean 'block'"):
        find_position("blok")


def test_states_reach_sites_that_only_write():
    space = load_small("resnet50_mrla_base")
    network = randomise(build(space)).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        alone, after = (
            place(network, space.parse(text))(x)
            for text in ("010-0000-000000-000", "210-0000-000000-000")
        )
        nothing, written = (
            place(network, space.parse(text))(x) for text in ("none", "222-2222-222222-222")
        )
    assert not torch.equal(alone, after)
    assert torch.equal(nothing, written)


def test_a_model_may_run_in_two_threads_at_once():
    from concurrent.futures import ThreadPoolExecutor

    space = load_small("resnet50_mrla_light")
    network = place(build(space).eval(), space.named["all"])
    images = torch.randn(8, 1, 3, 64, 64)

    def run(x):
        with torch.no_grad():
            return network(x)

    expected = [run(x) for x in images]
    with ThreadPoolExecutor(4) as pool:
        assert all(map(torch.equal, pool.map(run, images), expected))


def test_what_nobody_reads_is_not_written():
    space = load_small("resnet50_mrla_base")
    pruned = prune(build(space), space.parse("212-2000-000000-002"))
    assert sum(isinstance(m, AttentionAfterBlock) for m in pruned.modules()) == 2


def test_layer_attention_fits_maps_with_channels_last():
    args = {"img_size": 64, "window_size": 4}
    space = space_of(
        "swin_tiny_patch4_window7_224", attention="mrla_light", backbone_args=args, sharing="none"
    )
    assert find_sites(space)[0].layout == "nhwc"
    network = place(build(space).eval(), space.named["all"])
    with torch.no_grad():
        assert network(torch.randn(1, 3, 64, 64)).isfinite().all()
