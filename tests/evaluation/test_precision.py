"""Precision: with fewer bits little changes, and the same in a cohort as alone."""

import numpy as np
import pytest
import torch

from ean_search.evaluation.precision import FULL_PRECISION, Precision
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from tests.helpers import blobs

REDUCED = Precision(precision="bfloat16", channels_last=True)


def accuracies(evaluator, placements):
    return np.array([result.accuracy for result in evaluator.evaluate(placements)])


def test_a_network_is_laid_out_as_asked(tiny_network):
    weight = next(p for p in tiny_network.parameters() if p.dim() == 4 and p.shape[1] > 1)
    assert REDUCED.prepare(tiny_network, "cpu").training is False
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    FULL_PRECISION.prepare(tiny_network, "cpu")
    assert weight.is_contiguous()


def test_fewer_bits_are_used_and_change_little(tiny, tiny_network):
    images = blobs(64, 0)
    exact = accuracies(SharedWeightsEvaluator(tiny_network, images), tiny.enumerate())
    evaluator = SharedWeightsEvaluator(tiny_network, images, precision=REDUCED)
    with torch.inference_mode(), REDUCED.autocast("cpu"):
        assert tiny_network(images.images[:2]).dtype is torch.bfloat16
    assert accuracies(evaluator, tiny.enumerate()) == pytest.approx(exact, abs=4 / 64)


def test_a_cohort_in_fewer_bits_scores_like_its_members(tiny, tiny_network):
    evaluator = SharedWeightsEvaluator(tiny_network, blobs(64, 0), precision=REDUCED)
    together = accuracies(evaluator, tiny.enumerate())
    alone = [accuracies(evaluator, [placement])[0] for placement in tiny.enumerate()]
    assert together == pytest.approx(alone, abs=2 / 64)
