"""A head for other classes, fitted on features that are computed once."""

import pytest
import timm
import torch

from ean_search.evaluation.shared_weights import top1_accuracy
from ean_search.training.linear_probe import fit_head
from ean_search.utils.errors import UserError
from tests.helpers import blobs


def test_the_head_classifies_and_nothing_else_changes():
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", num_classes=3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    reports = []
    share = fit_head(network, blobs(300, 0, 32), progress=lambda *report: reports.append(report))
    changed = {n for n, v in network.state_dict().items() if not torch.equal(v, before[n])}
    assert changed == {"fc.weight", "fc.bias"}
    held_out = top1_accuracy(network, blobs(150, 1, 32).batches(50))
    assert share > 0.9
    assert held_out > 0.7  # by chance 0.33
    assert reports[-1][:3] == ("head", 2, 2)


def test_a_network_without_a_linear_head_is_refused():
    with pytest.raises(UserError, match="the head of Conv2d cannot be found"):
        fit_head(torch.nn.Conv2d(3, 3, 1), blobs(30, 0))
