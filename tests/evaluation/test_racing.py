"""Racing: clearly worse members are stopped, the winner hardly ever."""

import numpy as np
import pytest
import torch

from ean_search.data.splits import TensorSplit
from ean_search.evaluation.racing import RacingEvaluator, RacingRule
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator


def race(accuracies, cost_rewards, seed, total=4000, batch=500, error_rate=0.05):
    """Race members with independent answers; return those that are left, and the true winner."""
    rng = np.random.default_rng(seed)
    correct = rng.random((len(accuracies), total)) < np.array(accuracies)[:, None]
    rule = RacingRule(lambda placement: 0.0, error_rate)
    left = np.arange(len(accuracies))
    for seen in range(batch, total + 1, batch):
        stopped = rule.find_losers(correct[left, :seen], cost_rewards[left], total, total // batch)
        left = left[~stopped]
    return left, int(np.argmax(correct.mean(axis=1) + cost_rewards))


def test_clearly_worse_members_are_stopped():
    left, winner = race([0.5, 0.52, 0.8, 0.6], np.zeros(4), seed=0)
    assert list(left) == [2]
    assert winner == 2


def test_costs_decide_too():
    left, _ = race([0.5, 0.6], np.array([0.0, -0.3]), seed=0)
    assert list(left) == [0]


def test_winners_are_stopped_no_more_often_than_stated():
    lost = 0
    for seed in range(200):
        left, winner = race(
            [0.60, 0.61, 0.62, 0.58, 0.61, 0.59], np.zeros(6), seed, error_rate=0.05
        )
        lost += winner not in left
    assert lost <= 10


def test_no_member_is_stopped_on_few_images():
    correct = np.array([[True] * 50, [False] * 50])
    assert (
        not RacingRule(lambda p: 0.0).find_losers(correct, np.zeros(2), total=1000, looks=20).any()
    )


@pytest.fixture
def evaluator(tiny_network, digits):
    return SharedWeightsEvaluator(tiny_network, digits, batch_size=100, walk_batch_size=100)


@pytest.fixture
def digits():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(600, 3, 32, 32, generator=generator)
    return TensorSplit(images, torch.randint(0, 10, (600,), generator=generator))


def test_a_stopped_placement_says_how_many_images_it_has_seen(tiny, evaluator):
    favourite = tiny.named["all"]
    unfair = RacingRule(lambda placement: 0.0 if placement == favourite else -1.0)
    cohort = list(tiny.enumerate())
    racing = RacingEvaluator(evaluator, unfair)
    results = dict(zip(cohort, racing.evaluate(cohort), strict=True))
    assert not results[favourite].stopped
    others = [result for placement, result in results.items() if placement != favourite]
    assert {result.note for result in others} == {"stopped after 100 of 600 images"}
    assert all(result.stopped for result in others)


@pytest.mark.slow
def test_members_that_are_left_have_the_accuracy_without_a_race(tiny, evaluator):
    placements = list(tiny.enumerate())
    fair = list(evaluator.evaluate(placements, RacingRule(lambda placement: 0.0)))
    plain = list(evaluator.evaluate(placements))
    assert any(not result.stopped for result in fair)
    for raced, whole in zip(fair, plain, strict=True):
        assert raced.stopped or raced.accuracy == whole.accuracy
