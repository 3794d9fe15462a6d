"""Evaluation with shared weights: a cohort scores as its members do alone."""

import copy
import logging

import pytest
import torch

from ean_search.core.space import Space, load_space
from ean_search.core.trial import EvaluationResult
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator, top1_accuracy
from ean_search.networks.builder import build, place, prune, slots
from ean_search.networks.sites import probe
from ean_search.training.recipe import Recipe
from ean_search.training.trainer import fit
from tests.helpers import blobs


@pytest.fixture(scope="module")
def network():
    """Train a network a little and upset its gates, so that placements differ in their scores."""
    space = load_space("tiny")
    network = build(space, classes=3)
    recipe = Recipe(epochs=2, batch_size=16, lr=0.003)
    fit(place(network, space.named["none"]), blobs(160, 5), recipe)
    generator = torch.Generator().manual_seed(0)
    for slot in slots(network):
        slot.attentions[0].fc2.bias.data.normal_(0, 3, generator=generator)
    return network


def accuracies(evaluator, placements):
    return [result.accuracy for result in evaluator.evaluate(placements)]


@pytest.mark.slow
def test_a_cohort_scores_like_its_members_alone(tiny, network):
    split = blobs(50, 0)
    together = accuracies(SharedWeightsEvaluator(network, split, batch_size=20), tiny.enumerate())
    alone = [top1_accuracy(place(network, p), split.batches(50)) for p in tiny.enumerate()]
    pruned = [top1_accuracy(prune(network, p), split.batches(7)) for p in tiny.enumerate()]
    assert together == alone == pruned
    assert len(set(together)) > 1


def test_results_come_in_the_order_asked_for(tiny, network):
    evaluator = SharedWeightsEvaluator(network, blobs(50, 0))
    cohort = [tiny.parse(text) for text in ("1010", "0000", "1111", "0000")]
    forward, backward = (accuracies(evaluator, order) for order in (cohort, cohort[::-1]))
    assert forward == backward[::-1]
    assert all(
        isinstance(result, EvaluationResult) and result.seconds > 0
        for result in evaluator.evaluate(cohort)
    )


def test_evaluation_changes_nothing(tiny, network):
    before = {key: value.clone() for key, value in network.state_dict().items()}
    evaluator = SharedWeightsEvaluator(network, blobs(30, 0), calibration=blobs(30, 1).images)
    list(evaluator.evaluate(tiny.enumerate()))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.slow
def test_own_statistics_are_the_same_in_a_cohort_and_alone(tiny, network):
    evaluator = SharedWeightsEvaluator(network, blobs(50, 0), 20, calibration=blobs(40, 1).images)
    together = accuracies(evaluator, tiny.enumerate())
    assert together == [accuracies(evaluator, [p])[0] for p in tiny.enumerate()]
    assert together != accuracies(SharedWeightsEvaluator(network, blobs(50, 0)), tiny.enumerate())


def test_own_statistics_are_those_of_training_mode(tiny, network):
    images = blobs(40, 1).images
    placement = tiny.parse("1010")
    evaluator = SharedWeightsEvaluator(network, blobs(50, 0), calibration=images)
    trained = prune(network, placement).train()
    for module in trained.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        trained(images)
    expected = top1_accuracy(trained, blobs(50, 0).batches(50))
    assert accuracies(evaluator, [placement]) == [pytest.approx(expected, abs=0.021)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "args", "images"),
    [("convnext_atto", {}, 0), ("levit_128s", {"img_size": 64}, 6)],
)
def test_only_norms_that_keep_statistics_of_maps_are_set(backbone, args, images):
    space = Space(name="one", backbone=backbone, backbone_args=args, attention="se", image_size=64)
    space = probe(space)
    network, split = build(space, classes=3), blobs(4, 0, size=64)
    evaluator = SharedWeightsEvaluator(network, split, calibration=blobs(6, 1, size=64).images)
    assert len(evaluator.calibration) == images  # ConvNeXt has no such norms; LeViT's stem has
    assert 0 <= accuracies(evaluator, [space.named["all"]])[0] <= 1


class DataDependent:
    """Looks at its data to decide what to compute, which cannot be traced."""

    def forward(self, x):
        return super().forward(x) if x.isfinite().all() else x


def test_a_network_that_cannot_be_cut_is_evaluated_all_the_same(tiny, network, caplog):
    expected = accuracies(SharedWeightsEvaluator(network, blobs(50, 0)), tiny.enumerate())
    network = copy.deepcopy(network)
    network.__class__ = type("DataDependent", (DataDependent, type(network)), {})
    with caplog.at_level(logging.WARNING):
        evaluator = SharedWeightsEvaluator(network, blobs(50, 0))
    assert "one by one" in caplog.text
    assert accuracies(evaluator, tiny.enumerate()) == expected


class FullMemory:
    """A tree that finds no memory, not even for one placement."""

    def walk(self, images, placements, rows=1):
        raise torch.OutOfMemoryError("CUDA out of memory.")


def test_a_cohort_without_room_is_tried_one_by_one(tiny, tmp_path, one_thread):
    evaluator = SharedWeightsEvaluator(build(tiny, classes=3), blobs(30, 0))
    cohort = tiny.enumerate()[:5]
    expected = accuracies(evaluator, cohort)
    evaluator.tree = FullMemory()
    assert accuracies(evaluator, cohort) == expected


class LittleMemory:
    """A tree that has room for a few images only."""

    def __init__(self, tree, room):
        self.tree, self.room, self.tried = tree, room, []

    def walk(self, images, placements, rows=1):
        self.tried.append(len(images))
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.tree.walk(images, placements, rows)


def test_walks_carry_fewer_images_once_memory_ran_out(tiny, one_thread, caplog):
    evaluator = SharedWeightsEvaluator(build(tiny, classes=3), blobs(96, 0), walk_batch_size=96)
    cohort = tiny.enumerate()[:3]
    expected = accuracies(evaluator, cohort)
    evaluator.tree = LittleMemory(evaluator.tree, 30)
    assert accuracies(evaluator, cohort) == expected
    assert accuracies(evaluator, cohort) == expected
    assert evaluator.tree.tried == [96, 48, *[24] * 8]
    assert "a walk carries 24 images now" in caplog.text


def test_logits_that_are_no_numbers_are_a_result_with_a_reason(tiny, one_thread):
    network = build(tiny, classes=3)
    evaluator = SharedWeightsEvaluator(network, blobs(30, 0))
    network.fc.bias.data.fill_(float("nan"))
    results = list(evaluator.evaluate(tiny.enumerate()[:2]))
    assert [(result.accuracy, result.note) for result in results] == [
        (None, "its logits are not finite numbers")
    ] * 2
