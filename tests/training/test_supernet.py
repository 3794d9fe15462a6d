import pytest
import torch

from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.builder import build, slots
from ean_search.training.path_sampling import PATH_SAMPLERS
from ean_search.training.recipe import Recipe
from ean_search.training.supernet import SupernetSettings, train_supernet
from ean_search.training.trainer import TrainingContext
from ean_search.utils.config import parse_fields
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_weights
from ean_search.utils.progress import silent
from tests.helpers import blobs, mark_slow

RECIPE = Recipe(epochs=3, batch_size=16, lr=0.01)


def train(tiny, path, progress=silent, epochs=3, **fields):
    network = build(tiny, classes=3)
    recipe = RECIPE.model_copy(update={"epochs": epochs})
    supernet = SupernetSettings(recipe=recipe, **fields)
    context = TrainingContext(progress=progress)
    train_supernet(network, tiny, blobs(96, 0), supernet, path, context)
    return network


@pytest.mark.parametrize(
    "sampler",
    mark_slow(PATH_SAMPLERS, ["sandwich", "complement"]),
)
def test_every_path_sampler_trains_a_network_for_all_placements(tiny, tmp_path, sampler):
    network = train(tiny, tmp_path / "supernet.safetensors", sampler=sampler)
    evaluator = SharedWeightsEvaluator(network, blobs(60, 1), calibration=blobs(60, 2).images)
    accuracies = [result.accuracy for result in evaluator.evaluate(tiny.enumerate())]
    assert min(accuracies) > 0.6


def test_a_weight_sharing_network_is_not_compiled():
    with pytest.raises(UserError, match="would be compiled anew for every placement"):
        parse_fields(SupernetSettings, {"recipe": {"compile": True}}, "supernet")


@pytest.mark.slow
def test_every_image_may_have_its_own_placement(tiny, tmp_path):
    network = train(tiny, tmp_path / "supernet.safetensors", per_sample=True)
    assert all(len(slot.choice) == 16 for slot in slots(network))


@pytest.mark.slow
def test_a_trained_network_is_loaded_and_not_trained_again(tiny, tmp_path, monkeypatch):
    path = tmp_path / "supernet.safetensors"
    first = train(tiny, path)
    assert not path.with_suffix(".checkpoint").exists()
    monkeypatch.setattr("ean_search.training.supernet.fit", None)
    for again in (train(tiny, path), train(tiny, tmp_path / "copy", weights=str(path))):
        state = again.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in first.state_dict().items())
    load_weights(build(tiny, classes=3), tmp_path / "copy")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sampler": "bernouli"}, "sampler: unknown sampler 'bernouli'; did you mean"),
        ({"sampler": "sandwich", "per_sample": True}, "'sandwich' draws sets"),
        ({"recipe": {"epochs": 0}}, "recipe.epochs"),
    ],
)
def test_wrong_settings_are_refused_before_training(fields, message):
    with pytest.raises(UserError, match=message):
        parse_fields(SupernetSettings, fields, "supernet")


@pytest.mark.slow
def test_training_goes_on_from_its_checkpoint(tiny, tmp_path):
    expected = train(tiny, tmp_path / "whole", epochs=2).state_dict()

    def stop(task, done, total, detail=""):
        assert task == "supernet"
        if "epoch 2/" in detail:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny, tmp_path / "parts", stop, epochs=2)
    state = train(tiny, tmp_path / "parts", epochs=2).state_dict()
    assert all(torch.equal(value, state[name]) for name, value in expected.items())


@pytest.mark.slow
def test_the_first_placement_of_a_sandwich_teaches_the_others(tiny, tmp_path):
    networks = [
        train(tiny, tmp_path / str(distil), epochs=1, sampler="sandwich", distil=distil)
        for distil in (True, False)
    ]
    taught, untaught = (network.state_dict() for network in networks)
    assert not all(torch.equal(value, untaught[name]) for name, value in taught.items())
