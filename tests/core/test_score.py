"""A score has a name, a direction and a range; inside a search more is better."""

import math

import pytest

from ean_search.core.objective import Objective
from ean_search.core.score import ACCURACY, Score
from ean_search.core.space import load_space
from ean_search.core.trial import Cost, Trial
from ean_search.utils.errors import UserError

ERROR = Score(name="mean error", maximize=False, low=None, high=None, reference=4.0)
AP = Score(name="box AP", low=0, high=100)
DICE = Score(name="Dice loss", maximize=False, low=0, high=1)


def test_worths_rise_with_what_is_better():
    assert ACCURACY.worth(0.7) == 0.7
    assert (AP.worth(25), AP.value(0.25)) == (0.25, 25)
    assert (DICE.worth(0.25), DICE.value(0.75)) == (0.75, 0.25)
    assert (ERROR.worth(4.0), ERROR.worth(2.0), ERROR.value(-0.5)) == (-1.0, -0.5, 2.0)


def test_they_are_written_as_the_values_that_they_are():
    assert (ACCURACY.describe(0.7), ACCURACY.column) == ("70.00 %", "accuracy %")
    assert (AP.describe(0.25), AP.column) == ("25", "box AP")
    assert DICE.describe(0.75, 1) == "25.0 %"
    assert ERROR.describe(-1.23456) == "4.938"
    assert [score.size(0.1) for score in (ACCURACY, AP, ERROR)] == [10, 10, 0.4]
    assert [s.points for s in (ACCURACY, AP)] == ["points", "% of the range"]
    assert ERROR.points == "% of the given network's mean error"


def test_the_range_is_known_or_not():
    assert ERROR.holds(1e9)
    assert not AP.holds(101)
    assert AP.lowest_worth == 0
    assert ERROR.lowest_worth < -100


@pytest.mark.parametrize(
    "fields", [{"name": "reward"}, {"name": " "}, {"low": None}, {"low": 2, "high": 1}]
)
def test_what_is_no_score_is_refused(fields):
    with pytest.raises(ValueError, match=r"score cannot be called|the range of accuracy"):
        Score(**fields)


def test_objectives_name_the_score():
    assert Objective.parse("box AP - 0.1 sites", "", AP).weights == (("sites", 0.1),)
    assert Objective.parse(score=AP).weights == ()
    with pytest.raises(UserError, match=r"expected an objective like 'box AP - 0.05 latency'"):
        Objective.parse("accuracy - 0.1 sites", "", AP)


@pytest.mark.parametrize("score", [ACCURACY, AP, DICE, ERROR])
def test_a_trial_is_stored_under_the_name_of_its_score_and_read_to_the_bit(score):
    space, worth = load_space("tiny"), score.worth(1 / 3)
    placement = space.parse("1010")
    cost = Cost(placement.attached, 1, 1, 1, 1.0, 1)
    for accuracy, status in ((worth, "done"), (None, "failed")):
        trial = Trial(0, 0, placement, status, accuracy, 0.1, cost, 1.0)
        line = trial.to_json(score)
        assert f'"{score.name}"' in line
        assert ('"accuracy"' in line) is (score is ACCURACY)
        assert Trial.from_json(line, space, score) == trial
    assert math.isclose(trial.to_fields(score)[score.name] or 1 / 3, 1 / 3)


def test_a_worth_beyond_the_range_is_no_trial_of_it():
    space = load_space("tiny")
    placement = space.parse("0000")
    trial = Trial(0, 0, placement, "done", -3.0, 0.1, Cost(0, 1, 1, 1, 1.0, 1), 1.0)
    assert Trial.from_json(trial.to_json(ERROR), space, ERROR) == trial
    with pytest.raises(UserError, match="worth: expected a number from 0 to 1"):
        Trial.from_json(trial.to_json(AP), space, AP)
