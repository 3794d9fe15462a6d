import pytest

from ean_search.analysis.training_folder import TrainingFolder
from ean_search.utils.errors import UserError

PLACEMENT = "000-0000-000000-000"


def test_a_training_is_finished_when_it_has_results(run, add_training):
    unfinished = add_training(run, PLACEMENT, None)
    assert not unfinished.is_finished
    assert unfinished.read_metrics() is None
    finished = add_training(run, PLACEMENT, 0.7, seed=1)
    assert finished.is_finished
    assert finished.read_metrics()["test_accuracy"] == 0.7


def test_the_description_tells_placement_and_seed(run, add_training):
    folder = add_training(run, PLACEMENT, 0.7, seed=3)
    assert (folder.placement, folder.seed) == (PLACEMENT, 3)
    assert folder.path.name == TrainingFolder.name(run.space.parse(PLACEMENT), 3)


def test_a_pruned_copy_lies_in_the_folder_of_its_training(run, add_training):
    trained = add_training(run, PLACEMENT, 0.7)
    pruned = add_training(run, PLACEMENT, 0.7, folded_from="111-1111-111111-111")
    assert pruned.path == trained.path / "folded"
    assert pruned.is_pruned
    assert not trained.is_pruned


@pytest.mark.parametrize("pretrained", [False, True])
@pytest.mark.parametrize("recipe", [None, "quick"])
def test_the_path_tells_the_recipe(run, add_training, recipe, pretrained):
    folder = add_training(run, PLACEMENT, 0.7, recipe=recipe, pretrained=pretrained)
    assert folder.recipe_below(run.retrain_folder()) == recipe


def test_a_folder_without_a_description_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"not a training's folder: it has no training\.json"):
        TrainingFolder(tmp_path).read_description()
