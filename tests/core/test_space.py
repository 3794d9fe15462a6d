import numpy as np
import pytest

from ean_search.core.space import SHIPPED, Space, load_space, shipped_spaces
from ean_search.utils.errors import UserError


@pytest.fixture
def space():
    return Space(name="toy", backbone="x", attention="se", stages=(2, 3))


@pytest.fixture
def mixed():
    return Space(name="mixed", backbone="x", attention=["se", "eca"], stages=(2, 2))


def test_a_placement_and_its_text_form_are_equivalent(space):
    placement = space.placement([1, 0, 1, 1, 0])
    assert str(placement) == "10-110"
    assert space.parse("10-110") == space.parse("10110") == placement
    assert placement.attached == 3
    assert len({placement, space.parse("10-110")}) == 1


def test_the_text_form_has_one_digit_per_site(mixed):
    assert str(mixed.parse("02-10")) == "02-10"
    assert mixed.size == 81


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10-11", "expected stages of 2-3 sites in 'toy', got 2-2"),
        ("1011", "expected 5 sites in 'toy', got 4"),
        ("12-000", "digits 0 to 1"),
        ("", "expected a placement like 11-111"),
        ("best", "one of none, all"),
    ],
)
def test_a_wrong_text_says_what_was_expected(space, text, words):
    with pytest.raises(UserError, match=words):
        space.parse(text)


def test_named_placements(space, mixed):
    texts = {name: str(placement) for name, placement in space.named.items()}
    assert texts == {
        "none": "00-000",
        "all": "11-111",
        "every-other": "10-101",
        "last-per-stage": "01-001",
    }
    assert str(mixed.named["all-eca"]) == "22-22"


def test_samples_have_all_counts_of_attachments(space):
    rng = np.random.default_rng(0)
    counts = [space.sample(rng).attached for _ in range(600)]
    assert np.bincount(counts, minlength=6).min() > 60
    assert all(space.sample(rng, attached=2).attached == 2 for _ in range(20))


def test_enumerate_lists_every_placement_once(mixed):
    placements = mixed.enumerate()
    assert len(placements) == len(set(placements)) == mixed.size


def test_a_space_must_be_probed_before_its_size_is_known():
    with pytest.raises(UserError, match=r"call probe\(space\)"):
        _ = Space(name="new", backbone="x", attention="se").size


def test_a_yaml_file_is_loaded_like_a_shipped_space(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("backbone: resnet18\nattention: [{name: dia, reduction: 4}, se]\nstages: [2]\n")
    space = load_space(path, unit_gate=True)
    assert space.name == "mine"
    assert space.attention[0].options == {"reduction": 4}
    assert space.unit_gate


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("backbone: x\nattention: se\nsharng: stage\n", "did you mean 'sharing'"),
        ("backbone: x\nattention: []\n", "attention"),
        ("backbone: x\nattention: se\nsharing: all\n", "sharing"),
        ("- x\n", "expected a mapping"),
        ("a: [b\n", "is not YAML"),
    ],
)
def test_errors_in_files_are_described(tmp_path, text, words):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        load_space(path)


def test_an_unknown_space_gives_the_most_similar_name(tmp_path):
    with pytest.raises(UserError, match="did you mean 'resnet50_shared'"):
        load_space("resnet50_share")
    with pytest.raises(UserError, match="no space file at"):
        load_space(tmp_path / "none.yaml")


def test_published_placements_of_resnet50():
    space = load_space("resnet50_shared")
    assert space.parse("ean-se").attached == 7
    assert space.parse("ean-sge") == space.parse("100-1011-010011-011")
    assert space.named["ean-dia"].attached == 9


@pytest.mark.parametrize("name", shipped_spaces())
def test_shipped_spaces_are_short(name):
    text = (SHIPPED / f"{name}.yaml").read_text()
    assert len(text.splitlines()) <= 15
    assert load_space(name).name == name


def test_named_placements_of_attentions_that_were_replaced_are_left_out():
    space = load_space("convformer_s18_keyonly", attention="full")
    assert "graft" in space.named
    assert "all-attention" not in space.named


@pytest.mark.parametrize("kind", ["space", "mixed"])
def test_a_placement_converts_to_an_array_and_back(kind, request, rng):
    any_space = request.getfixturevalue(kind)
    for placement in any_space.enumerate():
        array = placement.to_array()
        assert array.dtype == np.int8
        assert any_space.placement(array) == placement


def test_every_site_knows_its_stage(space):
    assert space.stage_of_site == [0, 0, 1, 1, 1]


def test_the_size_is_also_given_as_a_power_of_two(space, mixed):
    assert 2**space.log2_size == pytest.approx(space.size) == 32
    assert 2**mixed.log2_size == pytest.approx(mixed.size)
