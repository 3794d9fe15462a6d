"""Several processes train one network as one process does, with modules that are not used."""

from functools import partial

import numpy as np
import pytest
import torch

from ean_search.core.space import load_space
from ean_search.distributed.config import Workers
from ean_search.distributed.ddp import fit_distributed
from ean_search.networks.builder import build, place
from ean_search.training.recipe import Recipe
from ean_search.training.trainer import TrainingContext, fit
from ean_search.utils.errors import UserError
from tests.helpers import blobs

RECIPE = Recipe(epochs=2, batch_size=8, lr=0.003, warmup_epochs=0, optimizer="momentum")


def sparse_step(network, batch):
    """Use at most one shared module, twice per step; norms keep the statistics they have.

    Then the mean over halves of a batch is the mean over the batch.
    """
    network.eval()
    space = load_space("tiny")
    for _ in range(2):
        placement = space.sample(batch.rng, attached=int(batch.rng.integers(2)))
        yield batch.loss(place(network, placement)(batch.images))


def trained(train, split, **context):
    network = build(load_space("tiny"), classes=3)
    history = train(network, split, RECIPE, TrainingContext(seed=4, step=sparse_step, **context))
    return network.state_dict(), history


@pytest.mark.slow
def test_several_processes_train_what_one_does(ray_here, tmp_path, one_thread):
    split, checkpoint = blobs(40, 0), tmp_path / "checkpoint"
    alone, expected = trained(fit, split)
    train = partial(fit_distributed, workers=Workers(count=2, cpus=1), folder=tmp_path)
    together, history = trained(train, split, checkpoint=checkpoint)
    for name, value in alone.items():
        assert torch.allclose(together[name].float(), value.float(), rtol=1e-3, atol=1e-5), name
    losses = [[epoch["loss"] for epoch in epochs] for epochs in (history, expected)]
    assert np.allclose(*losses, rtol=1e-3)
    resumed = build(load_space("tiny"), classes=3)
    assert fit(resumed, split, RECIPE, TrainingContext(checkpoint=checkpoint)) == history


def test_parts_make_up_the_batches():
    split = blobs(20, 0)
    whole = list(split.batches(6, shuffle=(1, 2)))
    parts = [list(split.share(rank, 2).batches(6, shuffle=(1, 2))) for rank in range(2)]
    for number, (images, labels) in enumerate(whole):
        for rank in range(2):
            assert torch.equal(parts[rank][number][0], images[rank::2])
            assert torch.equal(parts[rank][number][1], labels[rank::2])
    assert split.share(0, 2).steps(6) == split.steps(6)


def test_a_batch_must_be_shared_evenly(tmp_path):
    workers = Workers(count=3)
    with pytest.raises(UserError, match="batch size that 3 training workers"):
        trained(partial(fit_distributed, workers=workers, folder=tmp_path), blobs(40, 0))
