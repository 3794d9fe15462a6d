"""A network that computes with each attention everywhere, and what is said where it cannot."""

import pytest
import torch

from ean_search.core.space import load_space
from ean_search.networks.builder import build
from ean_search.networks.example import Example
from ean_search.networks.forward_check import check_forward
from ean_search.networks.sites import probe
from ean_search.utils.errors import UserError
from tests.helpers import slow, space_of


def check(space, size):
    space = probe(space)
    return check_forward(build(space), space, Example.of(torch.zeros(1, 3, size, size)))


def test_every_attention_computes_the_logits(images):
    space = load_space("tiny", attention=["se", "eca"])
    network = build(space).train()
    logits = check_forward(network, space, Example.of(images))
    plain = "backbone 'resnet50'"
    names = [plain, f"{plain} with 'se' at every site", f"{plain} with 'eca' at every site"]
    assert list(logits) == names
    assert not torch.equal(logits[names[0]], logits[names[1]])
    assert {tuple(tensor.shape) for tensor in logits.values()} == {(4, 10)}
    assert not network.training


@pytest.mark.parametrize(
    ("backbone", "attention", "size", "words"),
    [
        (
            "resnet18",
            "tests.helpers:Narrow",
            32,
            "cannot compute on an input of .*: RuntimeError: ",
        ),
        slow("coat_tiny", "broad", 64, "different numbers of positions, 65 and 17"),
        slow("swinv2_cr_tiny_224", "broad", 224, r"49 positions.* \(1, 56, 56, 96\)"),
    ],
)
def test_what_does_not_fit_is_one_line_with_the_names(backbone, attention, size, words):
    args = {"img_size": size} if backbone == "coat_tiny" else {}
    space = space_of(backbone, attention=attention, image_size=size, backbone_args=args)
    with pytest.raises(UserError, match=words) as caught:
        check(space, size)
    assert str(caught.value).startswith(f"backbone {backbone!r} with {attention!r} at every site")
    assert "\n" not in str(caught.value)


def test_broad_attention_joins_a_map_where_a_stage_ends_in_one():
    logits = check(space_of("fastvit_mci0", attention="broad", image_size=64), 64)
    plain, broad = logits.values()
    assert plain.shape == broad.shape
