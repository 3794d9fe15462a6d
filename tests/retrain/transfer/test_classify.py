"""Classification of another data set: the head is new, the rest is kept."""

import pytest
import torch
from torch import nn

from ean_search.core.space import load_space
from ean_search.networks.builder import build, prune
from ean_search.retrain.transfer.task import make_task
from ean_search.utils.errors import UserError


@pytest.fixture(scope="module")
def task():
    return make_task("classify:cluttered")


def test_the_head_is_new_and_the_rest_is_kept(task, images):
    space = load_space("tiny")
    trained = prune(build(space, classes=7), space.named["all"]).eval()
    weights = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    network = task.attach(trained).eval()
    assert network(images).shape == (4, 10)
    assert network.num_classes == 10
    for name, tensor in network.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(tensor, weights[name])


def test_a_network_without_a_linear_head_is_refused(task):
    with pytest.raises(UserError, match="Sequential has no last linear layer"):
        task.attach(nn.Sequential(nn.Conv2d(3, 10, 1)))


@pytest.mark.slow
def test_the_score_is_the_accuracy_on_test_images(task, tiny_network):
    score = task.score(tiny_network, task.test, "cpu")
    images, labels = next(iter(task.test.batches(len(task.test))))
    with torch.no_grad():
        accuracy = (tiny_network(images).argmax(1) == labels).float().mean()
    assert score == pytest.approx(float(accuracy))


def test_the_name_of_the_task_can_name_a_folder(task):
    assert task.name == "classify-cluttered"
