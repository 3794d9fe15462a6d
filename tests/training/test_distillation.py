"""A teacher's softened logits are a part of the loss."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ean_search.training.distillation import Lesson, make_teacher
from ean_search.training.recipe import Recipe
from ean_search.training.trainer import TrainingContext, fit
from ean_search.utils.errors import UserError
from tests.helpers import blobs


def test_the_loss_is_hintons():
    logits, taught = torch.randn(5, 4), torch.randn(5, 4)
    loss = torch.tensor(2.0)
    mixed = Lesson(taught, weight=0.3, temperature=4.0).mix(loss, logits)
    soft = (taught / 4).softmax(1)
    cross_entropy = -(soft * (logits / 4).log_softmax(1)).sum(1).mean()
    entropy = -(soft * soft.log()).sum(1).mean()
    torch.testing.assert_close(mixed, 0.7 * loss + 0.3 * 16 * (cross_entropy - entropy))


def test_a_teacher_without_a_share_is_not_asked():
    assert make_teacher(nn.Linear(3, 2), Recipe(), "cpu")(torch.randn(2, 3)) is None


def test_a_recipe_that_distils_without_a_teacher_is_refused():
    with pytest.raises(UserError, match="distil needs a pretrained network"):
        fit(nn.Flatten(), blobs(64, 0), Recipe(distil=0.5))


def test_a_pupil_that_is_only_taught_becomes_like_its_teacher():
    def network(seed):
        torch.manual_seed(seed)
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))

    teacher, pupil, split = network(1), network(2), blobs(64, 0)
    images = next(split.batches(64))[0]

    def distance():
        with torch.no_grad():
            return F.mse_loss(pupil(images).softmax(1), teacher(images).softmax(1))

    before = distance()
    recipe = Recipe(epochs=20, batch_size=16, lr=0.1, distil=1.0, warmup_epochs=0)
    fit(pupil, split, recipe, TrainingContext(teacher=teacher))
    assert distance() < 0.01 * before
