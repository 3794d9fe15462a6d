import math

import numpy as np
import pytest

from ean_search.core.space import Space
from ean_search.search.searchers.categorical_policy import (
    mean_entropy,
    most_likely_placement,
    one_hot,
    sample_placement,
    softmax,
)

MIXED = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 1))
POLICY = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.25, 0.5, 0.25]])


def test_softmax_gives_probabilities_even_for_large_logits():
    probabilities = softmax(np.array([[1000.0, 0.0], [math.log(3), 0.0]]))
    assert probabilities == pytest.approx(np.array([[1.0, 0.0], [0.75, 0.25]]))


def test_placements_are_drawn_with_the_probabilities_of_the_policy(rng):
    placements = [sample_placement(MIXED, POLICY, rng) for _ in range(2000)]
    frequencies = one_hot(MIXED, placements).mean(axis=0)
    assert frequencies == pytest.approx(POLICY, abs=0.04)


def test_a_certain_choice_is_always_drawn(rng):
    certain = np.eye(3)[[2, 0, 1]]
    assert {str(sample_placement(MIXED, certain, rng)) for _ in range(50)} == {"20-1"}


def test_the_most_likely_placement_has_the_most_likely_choices():
    assert str(most_likely_placement(MIXED, POLICY)) == "02-1"


def test_one_hot_marks_the_choices_of_each_placement():
    marks = one_hot(MIXED, [MIXED.parse("02-1"), MIXED.parse("00-0")])
    assert marks.shape == (2, 3, 3)
    assert marks.argmax(axis=2).tolist() == [[0, 2, 1], [0, 0, 0]]
    assert (marks.sum(axis=2) == 1).all()


def test_the_entropy_is_highest_for_a_uniform_policy_and_zero_for_a_certain_one():
    assert mean_entropy(np.full((4, 3), 1 / 3)) == pytest.approx(math.log(3))
    assert mean_entropy(np.eye(3)) == 0.0
