"""Differences of accuracies on the same images."""

import numpy as np
import pytest

from ean_search.analysis.paired import compare_answers


def draw(rng, images, shared=0.6):
    """Draw the answers of two placements that agree on most images, and are equally good."""
    easy = rng.random(images) < shared
    one, other = (easy | (rng.random(images) < 0.3) for _ in range(2))
    return one, other


@pytest.mark.parametrize("images", [100, 1000])
def test_intervals_contain_the_true_difference_as_often_as_they_say(images):
    rng = np.random.default_rng(0)
    differences = [compare_answers(*draw(rng, images)) for _ in range(2000)]
    covered = np.mean([d.low <= 0 <= d.high for d in differences])
    assert 0.93 <= covered <= 0.975


def test_the_difference_of_two_is_judged_as_by_mcnemar():
    one = np.array([True] * 60 + [False] * 940)
    other = np.array([False] * 60 + [True] * 30 + [False] * 910)
    found = compare_answers(one, other)
    assert found.difference == pytest.approx(0.03)
    assert found.p_value == pytest.approx(0.0017, abs=0.0005)  # z = 30 / sqrt(90 + 2)
    assert found.is_clear


def test_placements_that_agree_on_all_images_are_not_told_apart():
    same = np.ones(50, dtype=bool)
    found = compare_answers(same, same)
    assert found.difference == 0
    assert 0 < found.high < 0.1
    assert not found.is_clear


def test_the_mean_of_several_is_surer_than_one():
    rng = np.random.default_rng(1)
    answers = np.stack([draw(rng, 500)[0] for _ in range(6)])
    whole = compare_answers(answers[0], answers[1:])
    single = compare_answers(answers[0], answers[1])
    assert whole.standard_error < single.standard_error
