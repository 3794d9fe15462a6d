import pytest
import torch

from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.builder import build, slots
from ean_search.training.path_sampling import PATH_SAMPLERS
from ean_search.training.supernet import Supernet, train_supernet
from ean_search.training.trainer import Recipe, TrainingContext
from ean_search.utils.config import parse_fields
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_weights
from tests.blobs import blobs

RECIPE = Recipe(epochs=3, batch_size=16, lr=0.01)


def train(tiny, path, **fields):
    network = build(tiny, classes=3)
    supernet = Supernet(recipe=RECIPE, **fields)
    train_supernet(network, tiny, blobs(96, 0), supernet, path, TrainingContext())
    return network


@pytest.mark.parametrize("sampler", PATH_SAMPLERS)
def test_every_sampler_trains_a_network_for_all_placements(tiny, tmp_path, sampler):
    network = train(tiny, tmp_path / "supernet.safetensors", sampler=sampler)
    evaluator = SharedWeightsEvaluator(network, blobs(60, 1), calibration=blobs(60, 2).images)
    results = [measured.accuracy for measured in evaluator.evaluate(tiny.enumerate())]
    assert min(results) > 0.6


def test_images_may_have_placements_of_their_own(tiny, tmp_path):
    network = train(tiny, tmp_path / "supernet.safetensors", per_sample=True)
    assert all(len(slot.choice) == 16 for slot in slots(network))


def test_a_trained_network_is_loaded_not_trained_again(tiny, tmp_path, monkeypatch):
    path = tmp_path / "supernet.safetensors"
    first = train(tiny, path)
    assert not path.with_suffix(".checkpoint").exists()
    monkeypatch.setattr("ean_search.training.supernet.fit", None)
    for again in (train(tiny, path), train(tiny, tmp_path / "copy", weights=str(path))):
        state = again.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in first.state_dict().items())
    load_weights(build(tiny, classes=3), tmp_path / "copy")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sampler": "bernouli"}, "sampler: unknown sampler 'bernouli'; did you mean"),
        ({"sampler": "sandwich", "per_sample": True}, "'sandwich' draws sets"),
        ({"recipe": {"epochs": 0}}, "recipe.epochs"),
    ],
)
def test_what_makes_no_sense_is_refused_before_training(fields, words):
    with pytest.raises(UserError, match=words):
        parse_fields(Supernet, fields, "supernet")
