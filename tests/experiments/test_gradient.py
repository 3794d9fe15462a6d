"""The example that ranks placements by one backward pass."""

import copy

import pytest
import torch
from torch.nn import functional as F

from tests.helpers import blobs, load_script


@pytest.fixture
def script():
    return load_script("gradient")


def test_gains_are_the_slope_of_the_loss(script, tiny_network):
    split, step = blobs(40, 0), 1e-3
    split.images = split.images.double()  # small differences of losses
    network = copy.deepcopy(tiny_network).double()
    gains = script.attachment_gains(network, split)
    assert gains.shape == (4, 1)
    slots = [module for module in network.modules() if isinstance(module, script.SoftSlot)]

    def loss(weight):
        with torch.no_grad():
            slots[2].weights.fill_(weight)
            return float(F.cross_entropy(network(split.images), split.labels))

    slope = (loss(0.5 + step) - loss(0.5 - step)) / (2 * step)
    assert slope == pytest.approx(-float(gains[2]), rel=0.01)


def test_the_predicted_gain_is_the_sum_over_attachments(script, tiny):
    gains = torch.tensor([[0.1], [0.2], [0.4], [-0.1]])
    assert script.predict_gain(tiny.parse("1-0-1-0"), gains) == pytest.approx(0.5)
    assert script.predict_gain(tiny.named["none"], gains) == 0


def test_the_script_ranks_the_placements_of_a_run(script, short_run, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["gradient.py", str(short_run.path)])
    script.main()
    assert "the run's accuracies: Kendall's tau" in capsys.readouterr().out
