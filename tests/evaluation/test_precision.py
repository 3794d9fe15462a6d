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
    with torch.inference_mode(), REDUCED.applied("cpu"):
        assert tiny_network(images.images[:2]).dtype is torch.bfloat16
    assert accuracies(evaluator, tiny.enumerate()) == pytest.approx(exact, abs=4 / 64)


@pytest.mark.parametrize(("precision", "allowed"), [("float32", False), ("tf32", True)])
def test_gpus_round_to_tf32_only_where_it_is_asked_for(monkeypatch, precision, allowed):
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    with Precision(precision=precision).applied("cpu"):
        assert [backend.allow_tf32 for backend in backends] == [allowed] * 2
    assert [backend.allow_tf32 for backend in backends] == before


def test_a_cohort_in_fewer_bits_scores_like_its_members(tiny, tiny_network):
    evaluator = SharedWeightsEvaluator(tiny_network, blobs(64, 0), precision=REDUCED)
    together = accuracies(evaluator, tiny.enumerate())
    alone = [accuracies(evaluator, [placement])[0] for placement in tiny.enumerate()]
    assert together == pytest.approx(alone, abs=2 / 64)
