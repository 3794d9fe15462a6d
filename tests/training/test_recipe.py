import pytest
from pydantic import ValidationError

from ean_search.training.recipe import Recipe, load_recipe, shipped_recipes
from ean_search.utils.errors import UserError


def test_the_recipes_of_the_papers_are_shipped():
    assert {"quick", "ean-cifar", "ean-imagenet", "mrla-imagenet", "deit-imagenet"} <= set(
        shipped_recipes()
    )


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_can_be_read(name):
    recipe = load_recipe(name)
    assert recipe.epochs > 1
    assert all(0 < milestone < recipe.epochs for milestone in recipe.milestones)
    assert recipe.warmup_epochs < recipe.epochs


def test_recipes_are_those_of_the_papers():
    ean, mrla, deit = (load_recipe(f"{name}-imagenet") for name in ("ean", "mrla", "deit"))
    assert (ean.epochs, ean.milestones, ean.warmup_epochs) == (120, (30, 60, 90), 0)
    assert (mrla.epochs, mrla.milestones, mrla.warmup_epochs) == (100, (30, 60, 90), 3)
    assert ean.lr == mrla.lr == 0.1
    assert (deit.mixup, deit.cutmix, deit.augment.erase) == (0.8, 1.0, 0.25)


def test_a_recipe_can_be_a_file_and_be_changed(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("{epochs: 5, mixup: 0.2}")
    recipe = load_recipe(path, epochs=7)
    assert (recipe.epochs, recipe.mixup) == (7, 0.2)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("ean-imagnet", "did you mean 'ean-imagenet'"),
        ("nowhere.yaml", "no recipe file at nowhere.yaml"),
    ],
)
def test_an_unknown_recipe_is_an_error(source, message):
    with pytest.raises(UserError, match=message):
        load_recipe(source)


def test_mixing_needs_an_even_batch_size():
    with pytest.raises(ValidationError, match="even batch_size"):
        Recipe(batch_size=15, cutmix=1.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"optimizer": "adamv"}, "unknown optimizer 'adamv'; did you mean"),
        ({"schedule": "linear"}, "schedule"),
        ({"learning_rate": 0.1}, "learning_rate"),
        ({"augment": {"erase": 2}}, "augment.erase"),
    ],
)
def test_a_wrong_field_is_an_error_of_one_line(fields, message):
    with pytest.raises(UserError, match=message) as caught:
        load_recipe("quick", **fields)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_mapping_is_an_error(tmp_path):
    (tmp_path / "list.yaml").write_text("[1, 2]")
    with pytest.raises(UserError, match="expected a mapping"):
        load_recipe(tmp_path / "list.yaml")
