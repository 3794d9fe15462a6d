import numpy as np
import pytest

from ean_search.data.splits import TensorSplit
from ean_search.evaluation.racing import RacingEvaluator, RacingRule
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator


def race(accuracies, values, seed, total=4000, batch=500, error=0.05):
    """Race members whose answers are independent; return who is left and who would have won."""
    rng = np.random.default_rng(seed)
    right = rng.random((len(accuracies), total)) < np.array(accuracies)[:, None]
    rule = RacingRule(lambda placement: 0.0, error)
    left = np.arange(len(accuracies))
    for seen in range(batch, total + 1, batch):
        stopped = rule.stops(right[left, :seen], values[left], total, total // batch)
        left = left[~stopped]
    return left, int(np.argmax(right.mean(axis=1) + values))


def test_the_clearly_worse_are_stopped():
    left, winner = race([0.5, 0.52, 0.8, 0.6], np.zeros(4), seed=0)
    assert list(left) == [2]
    assert winner == 2


def test_costs_count():
    left, _ = race([0.5, 0.6], np.array([0.0, -0.3]), seed=0)
    assert list(left) == [0]


def test_winners_are_lost_no_more_often_than_said():
    lost = 0
    for seed in range(200):
        left, winner = race([0.60, 0.61, 0.62, 0.58, 0.61, 0.59], np.zeros(6), seed, error=0.05)
        lost += winner not in left
    assert lost <= 10


def test_nobody_is_stopped_on_few_images():
    right = np.array([[True] * 50, [False] * 50])
    assert not RacingRule(lambda p: 0.0).stops(right, np.zeros(2), total=1000, looks=20).any()


@pytest.fixture
def evaluator(tiny_network, digits):
    return SharedWeightsEvaluator(tiny_network, digits, batch_size=100, at_once=100)


@pytest.fixture
def digits():
    import torch

    generator = torch.Generator().manual_seed(0)
    images = torch.randn(600, 3, 32, 32, generator=generator)
    return TensorSplit(images, torch.randint(0, 10, (600,), generator=generator))


def test_a_stopped_placement_says_on_how_many_images_it_was_judged(tiny, evaluator):
    favourite = tiny.named["all"]
    unfair = RacingRule(lambda placement: 0.0 if placement == favourite else -1.0)
    results = dict(
        zip(
            tiny.enumerate(),
            RacingEvaluator(evaluator, unfair).evaluate(list(tiny.enumerate())),
            strict=True,
        )
    )
    assert not results[favourite].stopped
    others = [result for placement, result in results.items() if placement != favourite]
    assert {result.note for result in others} == {"stopped after 100 of 600 images"}
    assert all(result.stopped for result in others)


def test_whoever_is_left_has_the_accuracy_of_no_race(tiny, evaluator):
    placements = list(tiny.enumerate())
    fair = list(evaluator.evaluate(placements, RacingRule(lambda placement: 0.0)))
    plain = list(evaluator.evaluate(placements))
    assert any(not result.stopped for result in fair)
    for raced, whole in zip(fair, plain, strict=True):
        assert raced.stopped or raced.accuracy == whole.accuracy
