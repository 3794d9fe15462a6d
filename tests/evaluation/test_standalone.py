"""Stand-alone evaluation: each placement trained by itself, from where it was stopped."""

import pytest
import torch

from ean_search.core.space import load_space
from ean_search.evaluation.failures import trial_failure_reason
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.evaluation.standalone import StandaloneEvaluator
from ean_search.networks.builder import build
from ean_search.training.trainer import Recipe
from ean_search.utils.errors import DivergedError
from tests.blobs import blobs

RECIPE = Recipe(epochs=2, batch_size=16, lr=0.003)


def make(folder, **changes):
    recipe = RECIPE.model_copy(update=changes)
    return StandaloneEvaluator(load_space("tiny"), 3, blobs(64, 0), blobs(30, 1), recipe, folder)


def test_results_depend_on_the_placement_alone(tiny, tmp_path, one_thread):
    cohort = [tiny.parse(text) for text in ("0000", "1111", "1010")]
    forward = [m.accuracy for m in make(tmp_path / "a").evaluate(cohort)]
    backward = [m.accuracy for m in make(tmp_path / "b").evaluate(cohort[::-1])]
    assert forward == backward[::-1]
    assert not (tmp_path / "a").exists()


def test_training_in_steps_is_training_at_once(tiny, tmp_path, one_thread):
    placement, trainer = tiny.parse("1010"), make(tmp_path)
    whole = trainer.advance(placement, 2, tmp_path / "whole")
    first = trainer.advance(placement, 1, tmp_path / "parts")
    second = trainer.advance(placement, 2, tmp_path / "parts")
    assert (first.stopped, first.note) == (True, "stopped after 1 of 2 epochs")
    assert (second.accuracy, second.stopped) == (whole.accuracy, False)


def test_a_training_that_diverges_is_a_result_with_a_reason(tiny, tmp_path, one_thread):
    trainer = make(tmp_path, lr=1e30, optimizer="momentum", warmup_epochs=0)
    (measured,) = trainer.evaluate([tiny.named["all"]])
    assert measured.accuracy is None
    assert "the loss became nan" in measured.note


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (DivergedError("the loss became nan"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (KeyError("x"), False),
    ],
)
def test_only_some_errors_are_a_placements_own(error, fault):
    assert (trial_failure_reason(error) is not None) == fault


class Small:
    """A memory that has no room for a cohort, nor for one placement."""

    def walk(self, images, placements, rows=1):
        raise torch.OutOfMemoryError("CUDA out of memory.")


def test_a_cohort_without_room_is_tried_one_by_one(tiny, tmp_path, one_thread):
    evaluator = SharedWeightsEvaluator(build(tiny, classes=3), blobs(30, 0))
    cohort = tiny.enumerate()[:5]
    expected = [m.accuracy for m in evaluator.evaluate(cohort)]
    evaluator.tree = Small()
    assert [m.accuracy for m in evaluator.evaluate(cohort)] == expected


def test_logits_that_are_no_numbers_are_a_result_with_a_reason(tiny, one_thread):
    network = build(tiny, classes=3)
    evaluator = SharedWeightsEvaluator(network, blobs(30, 0))
    network.fc.bias.data.fill_(float("nan"))
    found = list(evaluator.evaluate(tiny.enumerate()[:2]))
    assert [(m.accuracy, m.note) for m in found] == [
        (None, "its logits are not finite numbers")
    ] * 2
