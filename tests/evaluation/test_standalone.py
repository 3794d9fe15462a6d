"""Stand-alone evaluation: each placement trained by itself, from where it was stopped."""

from dataclasses import replace

import pytest
import torch

from ean_search.core.space import load_space
from ean_search.evaluation.standalone import StandaloneEvaluator
from ean_search.networks.builder import prune
from ean_search.networks.plain_backbone import make_backbone
from ean_search.training.recipe import Recipe
from tests.helpers import blobs

RECIPE = Recipe(epochs=2, batch_size=16, lr=0.003)


def make(folder, **changes):
    recipe = RECIPE.model_copy(update=changes)
    return StandaloneEvaluator(load_space("tiny"), 3, blobs(64, 0), blobs(30, 1), recipe, folder)


@pytest.mark.slow
def test_results_depend_on_the_placement_alone(tiny, tmp_path, one_thread):
    cohort = [tiny.parse(text) for text in ("0000", "1111", "1010")]
    forward = [result.accuracy for result in make(tmp_path / "a").evaluate(cohort)]
    backward = [result.accuracy for result in make(tmp_path / "b").evaluate(cohort[::-1])]
    assert forward == backward[::-1]
    assert not (tmp_path / "a").exists()


def test_training_in_steps_is_training_at_once(tiny, tmp_path, one_thread):
    placement, trainer = tiny.parse("1010"), make(tmp_path)
    whole = trainer.advance(placement, 2, tmp_path / "whole")
    first = trainer.advance(placement, 1, tmp_path / "parts")
    second = trainer.advance(placement, 2, tmp_path / "parts")
    assert (first.stopped, first.note) == (True, "stopped after 1 of 2 epochs")
    assert (second.accuracy, second.stopped) == (whole.accuracy, False)


def test_trainings_start_from_given_weights_of_the_backbone(tiny, tmp_path, one_thread):
    backbone = {n: torch.zeros_like(t) for n, t in make_backbone(tiny, 3).state_dict().items()}
    plain = make(tmp_path, lr=1e-30)
    (zero,) = replace(plain, backbone=backbone).evaluate([tiny.named["none"]])
    network = replace(plain, backbone=backbone).network
    assert not any(p.any() for p in prune(network, tiny.named["none"]).parameters())
    labels = torch.cat([labels for _, labels in plain.search.batches(8)])
    assert zero.accuracy == (labels == 0).double().mean()


def test_a_training_that_diverges_is_a_result_with_a_reason(tiny, tmp_path, one_thread):
    trainer = make(tmp_path, lr=1e30, optimizer="momentum", warmup_epochs=0)
    (result,) = trainer.evaluate([tiny.named["all"]])
    assert result.accuracy is None
    assert "the loss became nan" in result.note
