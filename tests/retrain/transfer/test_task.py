"""Tasks by name, and the errors that users make."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from ean_search.retrain.transfer.task import make_task
from ean_search.training.step import TrainingBatch
from ean_search.utils.errors import UserError


@pytest.mark.parametrize("name", ["detect", "segment", "classify:cluttered"])
def test_a_task_brings_data_a_head_and_losses(name, make_short_task, tiny_network, rng):
    task = make_short_task(name)
    images, labels = next(iter(task.train.batches(8, shuffle=(0,))))
    batch = TrainingBatch(images, labels, cross_entropy, rng)
    losses = list(task.step(task.attach(tiny_network).train(), batch))
    assert torch.isfinite(torch.stack(losses)).all()
    assert task.name == name.replace(":", "-")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("detct", "did you mean 'detect'"),
        ("detect:yolo", "task 'detect:yolo': too many positional arguments"),
        ("segment:fnc", "did you mean 'fcn'"),
        ("classify", "needs a data set"),
        ("classify:cifr10", "did you mean 'cifar10'"),
    ],
)
def test_unknown_tasks_and_details_are_named(name, words):
    with pytest.raises((UserError, ValueError), match=words):
        make_task(name)


def test_an_unknown_option_is_named():
    with pytest.raises(UserError, match="unexpected keyword argument 'images'"):
        make_task("detect", images=3)
