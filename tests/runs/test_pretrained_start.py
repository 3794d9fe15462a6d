"""A run that starts from a pretrained network: its settings, its first weights, its teacher."""

import pytest
import torch
from safetensors.torch import save_file

from ean_search.data.datasets import load_data
from ean_search.networks.builder import place
from ean_search.networks.plain_backbone import make_backbone
from ean_search.networks.pretrained import build_on
from ean_search.runs.experiment import load_experiment
from ean_search.runs.pretrained_start import backbone_weights, pretrained_backbone
from ean_search.runs.resolve_experiment import resolve

VIT = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 2}
DATA = {"data.options": {"train": 400, "test": 100}, "data.search_per_class": 10}


def experiment_of(attention, source, **changes):
    space = {"name": "vit", "backbone": "vit_tiny_patch16_224", "backbone_args": VIT}
    fields = {"space": space | {"attention": attention}, "supernet.pretrained": source, **DATA}
    return resolve(load_experiment(None, fields | {"device": "cpu"} | changes))


@pytest.fixture
def weights(tmp_path):
    """Return the weights of a backbone for 7 classes, in a file."""
    torch.manual_seed(5)
    space = experiment_of("own", "unused.safetensors").space
    network = make_backbone(space, classes=7)
    path = tmp_path / "vit.safetensors"
    save_file(dict(network.state_dict()), path)
    return str(path)


def test_what_learns_and_how_images_are_normalised_is_spelled_out():
    own = experiment_of("own", "w.safetensors")
    assert own.supernet.tune == "all"
    assert own.supernet.recipe.layer_decay == own.standalone.layer_decay == 0.75
    assert own.data.mean_std == ((0.5,) * 3, (0.5,) * 3)
    new = experiment_of("se", "w.safetensors")
    assert new.supernet.tune == "attention"
    assert new.space.unit_gate
    assert new.recalibrate == 0


def test_a_run_from_scratch_is_left_alone():
    experiment = experiment_of("own", None)
    assert experiment.supernet.tune == "auto"
    assert experiment.standalone.layer_decay is None
    assert pretrained_backbone(experiment, load_data(experiment.data)) is None
    assert experiment.data.mean_std is None


def test_a_head_for_other_classes_is_fitted_and_the_teacher_has_it(weights):
    experiment = experiment_of("own", weights)
    data = load_data(experiment.data)
    teacher = pretrained_backbone(experiment, data).eval()
    network = build_on(experiment.space, data.classes, 1, backbone_weights(teacher))
    images = next(data.search.batches(8))[0]
    with torch.no_grad():
        whole = place(network.eval(), experiment.space.named["all"])(images)
        assert torch.equal(whole, teacher(images))
    assert teacher.head.out_features == data.classes
    assert teacher.head.weight.abs().sum() > 0
