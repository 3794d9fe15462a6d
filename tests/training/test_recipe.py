import pytest
from pydantic import ValidationError

from ean_search.training.recipe import Recipe, load_recipe, shipped_recipes
from ean_search.utils.errors import UserError


def test_every_shipped_recipe_can_be_read():
    assert {"quick", "ean-cifar", "ean-imagenet", "mrla-imagenet", "deit-imagenet"} <= set(
        shipped_recipes()
    )
    for name in shipped_recipes():
        assert load_recipe(name).epochs > 1


def test_recipes_are_those_of_the_papers():
    ean, mrla, deit = (load_recipe(f"{name}-imagenet") for name in ("ean", "mrla", "deit"))
    assert (ean.epochs, ean.milestones, ean.warmup_epochs) == (120, (30, 60, 90), 0)
    assert (mrla.epochs, mrla.milestones, mrla.warmup_epochs) == (100, (30, 60, 90), 3)
    assert ean.lr == mrla.lr == 0.1
    assert (deit.mixup, deit.cutmix, deit.augment.erase) == (0.8, 1.0, 0.25)


def test_a_recipe_can_be_a_file_and_be_changed(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("{epochs: 5, mixup: 0.2}")
    recipe = load_recipe(path, epochs=7)
    assert (recipe.epochs, recipe.mixup) == (7, 0.2)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("ean-imagnet", "did you mean 'ean-imagenet'"),
        ("nowhere.yaml", "no recipe file at nowhere.yaml"),
    ],
)
def test_what_is_no_recipe_is_named(source, words):
    with pytest.raises(UserError, match=words):
        load_recipe(source)


def test_pairs_are_needed_for_mixing():
    with pytest.raises(ValidationError, match="even batch_size"):
        Recipe(batch_size=15, cutmix=1.0)
