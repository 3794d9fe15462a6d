"""Where a retraining starts: at the search's weights, at pretrained ones, or at random."""

from types import SimpleNamespace

import pytest
import torch

from ean_search.networks.builder import build
from ean_search.retrain.first_weights import SCRATCH, SUPERNET, choose_start, load_first_weights
from ean_search.runs.experiment import load_experiment
from ean_search.utils.errors import UserError
from ean_search.utils.files import save_weights


@pytest.fixture
def run(tmp_path, tiny):
    """A run of which only the weight-sharing network's weights are there."""
    file = tmp_path / "supernet.safetensors"
    save_weights(build(tiny, seed=3), file)
    return SimpleNamespace(supernet_file=file)


@pytest.mark.parametrize(
    ("started_from", "wanted", "start"),
    [
        (None, None, None),
        ("timm", None, SUPERNET),
        ("timm", SCRATCH, None),
        ("timm", "mine.pt", "mine.pt"),
        (None, SUPERNET, SUPERNET),
    ],
)
def test_a_run_that_was_pretrained_goes_on_from_its_search(run, started_from, wanted, start):
    changes = {"space": "tiny", "supernet.pretrained": started_from}
    assert choose_start(run, load_experiment(None, changes), wanted) == start


def test_the_searchs_weights_are_loaded(run, tiny):
    network, searched = build(tiny, seed=4), build(tiny, seed=3).state_dict()
    load_first_weights(network, run, tiny, SUPERNET)
    assert all(torch.equal(value, searched[name]) for name, value in network.state_dict().items())


def test_random_weights_stay(run, tiny):
    network = build(tiny, seed=4)
    load_first_weights(network, run, tiny, None)
    assert torch.equal(network.conv1[0].weight, build(tiny, seed=4).conv1[0].weight)


def test_weights_that_are_not_there_are_one_line(tmp_path, tiny):
    missing = SimpleNamespace(supernet_file=tmp_path / "supernet.safetensors")
    with pytest.raises(UserError):
        load_first_weights(build(tiny), missing, tiny, SUPERNET)
