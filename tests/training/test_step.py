"""What a step is given, and what the plain one makes of it."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ean_search.training.recipe import Recipe
from ean_search.training.step import TrainingBatch, plain_step
from ean_search.training.trainer import TrainingContext, fit
from tests.helpers import blobs


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))


def test_the_plain_step_yields_the_loss_of_one_forward_pass(rng):
    split, network = blobs(6, 0), make_network()
    (images, labels) = next(split.batches(6))
    (loss,) = plain_step(network, TrainingBatch(images, labels, F.cross_entropy, rng))
    assert torch.equal(loss, F.cross_entropy(network(images), labels))


def test_a_batch_cannot_be_changed(rng):
    batch = TrainingBatch(torch.zeros(1), torch.zeros(1), F.mse_loss, rng)
    with pytest.raises(FrozenInstanceError):
        batch.images = torch.ones(1)


def test_pieces_of_a_batch_get_the_same_draws_and_other_batches_others():
    draws = []

    def step(network, batch):
        draws.append((len(batch.images), batch.rng.integers(2**32)))
        yield batch.loss(network(batch.images))

    recipe = Recipe(epochs=1, batch_size=6, warmup_epochs=0, accumulate=2)
    fit(make_network(), blobs(18, 0), recipe, TrainingContext(step=step))
    sizes, numbers = np.array(draws).T.tolist()
    assert sizes == [3] * 6
    assert numbers[::2] == numbers[1::2]
    assert len(set(numbers)) == 3
