import pytest

from ean_search.bench.supernet_estimates import (
    VARIANTS,
    NetworkPlan,
    Variant,
    missing_networks,
    plan_networks,
    read_estimates,
    train_networks,
    variant_of,
)
from ean_search.training.supernet import SupernetSettings
from ean_search.utils.errors import UserError
from ean_search.utils.jsonl import append_row


def test_networks_see_as_many_images_as_trainings_or_the_next_more_that_passes_divide(experiment):
    recipe = experiment.supernet.recipe.model_copy(update={"epochs": 7})
    supernet = experiment.supernet.model_copy(update={"recipe": recipe})
    variants = {name: VARIANTS[name] for name in ("per sample", "complement", "sandwich")}
    three = experiment.space.model_copy(update={"attention": 2 * experiment.space.attention})
    for space, expected in ((experiment.space, [7, 8, 8]), (three, [7, 9, 8])):
        longer = experiment.model_copy(update={"supernet": supernet, "space": space})
        assert list(plan_networks(longer, variants).epochs.values()) == expected
    with pytest.raises(UserError, match="a multiple of 3 epochs for 'complement', got 4"):
        plan_networks(longer, variants, epochs=4)


def test_an_experiment_s_own_variant_is_known_by_its_name():
    assert variant_of(SupernetSettings()) == ("uniform-count", Variant())
    assert variant_of(SupernetSettings(sampler="sandwich"))[0] == "sandwich, distilled"
    assert variant_of(SupernetSettings(sampler="sandwich", distil=False))[0] == "sandwich"
    assert variant_of(SupernetSettings(sampler="bernoulli", per_sample=True))[0] == "own"


def test_parts_share_out_the_networks():
    variants = {"a": Variant(), "b": Variant("sandwich")}
    parts = [NetworkPlan(variants, {"a": 1, "b": 4}, 3, (i, 2)).networks() for i in (1, 2)]
    assert sorted(parts[0] + parts[1]) == [(name, seed) for name in "ab" for seed in range(3)]


def test_a_network_is_missing_until_all_its_estimates_are_there(tmp_path):
    path, plan = tmp_path / "estimates.jsonl", NetworkPlan({"a": Variant()}, {"a": 2}, seeds=1)
    row = {"variant": "a", "epochs": 2, "seed": 0, "estimates": {"0": 0.5}}
    assert missing_networks(path, plan) == [("a", 0)]
    append_row(path, row | {"calibration_images": 0})
    append_row(path, row | {"calibration_images": 256, "epochs": 1})
    assert missing_networks(path, plan) == [("a", 0)]
    append_row(path, row | {"calibration_images": 256})
    assert missing_networks(path, plan) == []


@pytest.mark.slow
def test_estimates_of_every_placement_are_read_back(experiment, tmp_path, one_thread):
    path, variants = tmp_path / "estimates.jsonl", {"other gates": VARIANTS["other gates"]}
    assert read_estimates(path).empty
    train_networks(experiment, path, plan_networks(experiment, variants, epochs=1, seeds=1))
    frame = read_estimates(path)
    assert len(frame) == 2 * experiment.space.size
    assert set(frame.calibration_images) == {0, 256}
    assert set(frame.placement) == {str(p) for p in experiment.space.enumerate()}
    assert frame.estimate.between(0, 1).all()
