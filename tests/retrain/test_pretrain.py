"""Training the plain backbone of an experiment, for runs that start from it."""

import json

import pytest

from ean_search.networks.plain_backbone import make_backbone
from ean_search.retrain.pretrain import pretrain
from ean_search.runs.experiment import load_experiment
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_weights
from tests.helpers import SMALL_RUN

SMALL = SMALL_RUN | {"pretrain.epochs": 1}


@pytest.mark.slow
def test_the_file_holds_the_plain_backbone(tmp_path):
    experiment, path = load_experiment(None, SMALL), tmp_path / "tiny.safetensors"
    metrics = pretrain(experiment, path)
    load_weights(make_backbone(experiment.space, classes=10), path)
    assert 0 <= metrics["search_accuracy"] <= 1
    assert json.loads(path.with_suffix(".json").read_text())["search_images"] == 100
    assert not path.with_suffix(".checkpoint").exists()
    with pytest.raises(UserError, match="exists: runs can start from it"):
        pretrain(experiment, path)


def test_a_file_must_be_named():
    with pytest.raises(UserError, match=r"expected a file to write, NAME\.safetensors"):
        pretrain(load_experiment(None, SMALL))
