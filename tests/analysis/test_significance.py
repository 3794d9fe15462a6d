import numpy as np
import pytest
from scipy.stats import binom

from ean_search.analysis.significance import chance_bound, difference_error, judge, standard_error


@pytest.mark.parametrize(("classes", "images", "trials"), [(10, 100, 1), (10, 100, 64), (3, 45, 7)])
def test_the_bound_of_chance_is_the_lowest_count_beyond_it(classes, images, trials):
    bound = chance_bound(classes, images, trials)
    count = round(bound * images)
    assert count / images == bound
    tails = binom.sf([count - 1, count - 2], images, 1 / classes)  # at least count, count - 1
    assert tails[0] <= 0.05 / trials < tails[1]


def test_the_best_of_many_guesses_seldom_reaches_the_bound(rng):
    best_guesses = rng.binomial(100, 0.1, size=(4000, 24)).max(axis=1) / 100
    assert (best_guesses >= chance_bound(10, 100, 24)).mean() <= 0.05
    assert (best_guesses >= chance_bound(10, 100)).mean() > 0.3  # without the correction


def test_on_too_few_images_nothing_is_beyond_chance():
    assert chance_bound(2, 3, 8) > 1


def test_the_error_of_a_difference_is_that_of_independent_accuracies(rng):
    one, other = rng.binomial(200, 0.7, 20_000) / 200, rng.binomial(200, 0.6, 20_000) / 200
    assert difference_error(0.7, 0.6, 200) == pytest.approx(np.std(one - other), rel=0.03)
    assert standard_error(0.5, 100) == 0.05


def judge_front(highest, images=1000, none=0.6):
    gains = {"1-0": (highest - none, difference_error(highest, none, images))}
    return judge([none, highest], gains, classes=10, images=images)


def test_a_run_at_chance_is_judged_so():
    judged = judge([0.08, 0.10, 0.11], {"1-1": (0.03, 0.04)}, classes=10, images=100)
    assert (judged.chance, judged.highest_accuracy, judged.trials) == (0.1, 0.11, 3)
    assert not judged.above_chance
    assert not judged.differs_from_none
    assert judge_front(0.7).above_chance


def test_an_accuracy_right_at_the_bound_is_above_chance():
    bound = chance_bound(10, 100, 1)
    for accuracy, above in ((bound, True), (bound - 0.01, False)):
        judged = judge([accuracy], {}, classes=10, images=100)
        assert judged.above_chance is above


def test_members_of_the_front_are_judged_beside_none():
    near, far = judge_front(0.61), judge_front(0.66)
    assert [member.placement for member in near.front] == ["1-0"]
    assert (near.differs_from_none, far.differs_from_none) == (False, True)
    assert near.front[0].difference == pytest.approx(0.01)
    assert near.front[0].standard_error == difference_error(0.61, 0.6, 1000)
    assert judge_front(0.61, images=100_000).differs_from_none


def test_a_front_of_none_alone_differs_in_nothing():
    judged = judge([0.6], {}, classes=10, images=1000)
    assert (judged.front, judged.differs_from_none) == ((), False)


def test_perfect_networks_do_not_differ():
    assert not judge_front(1.0, none=1.0).differs_from_none


def test_the_fields_are_plain_values():
    fields = judge_front(0.7).to_fields()
    assert fields["front"][0]["differs"] is True
    assert fields["above_chance"] is True
    assert type(fields["chance_bound"]) is float
