import pytest

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.core.trial import Cost
from ean_search.utils.errors import UserError

SPACE = Space(name="toy", backbone="x", attention="se", stages=(4,))


def price(placement):
    n = placement.attached
    return Cost(n, 100 + n, 1000, 1000, 10.0 + 0.5 * n, 0)


def problem(reward="accuracy", limits=""):
    return Problem(SPACE, Objective.parse(reward, limits), price)


def test_costs_count_as_shares_of_what_attaching_everywhere_adds():
    goal = problem("accuracy - 0.1 latency - sites")
    assert goal.reward(0.8, price(SPACE.parse("0000"))) == pytest.approx(0.8)
    assert goal.reward(0.8, price(SPACE.parse("1100"))) == pytest.approx(0.8 - 0.05 - 0.5)


def test_a_cost_that_never_changes_weighs_nothing():
    assert problem("accuracy - 5 flops").reward(0.8, price(SPACE.parse("1111"))) == 0.8


def test_the_published_reward_differs_by_a_unit_and_a_constant():
    goal = problem("accuracy - 0.02 sites")
    for text, accuracy in [("0000", 0.7), ("1010", 0.72), ("1111", 0.65)]:
        placement = SPACE.parse(text)
        published = 100 * accuracy + 2 * (1 - placement.attached / 4) - 54
        assert 100 * goal.reward(accuracy, price(placement)) - 52 == pytest.approx(published)


@pytest.mark.parametrize(
    ("limits", "text", "kept"),
    [
        ("latency < 1.10x", "1000", True),
        ("latency < 1.10x", "1100", False),
        ("latency <= 11", "1100", True),
        ("latency < 1.10x, sites >= 1", "0000", False),
        ("params <= 101", "1000", True),
        ("params<=101,sites<=0", "1000", False),
        ("", "1111", True),
    ],
)
def test_limits_are_absolute_or_multiples_of_the_plain_backbone(limits, text, kept):
    assert problem(limits=limits).feasible(price(SPACE.parse(text))) is kept


def test_breaking_a_limit_is_worse_than_any_accuracy_and_worse_the_more():
    goal = problem("accuracy - 3 sites", limits="sites <= 1")
    worst = goal.reward(0.0, price(SPACE.parse("1111")))
    two, four = (goal.penalty(price(SPACE.parse(text))) for text in ("1100", "1111"))
    assert four < two < worst


@pytest.mark.parametrize(
    ("reward", "limits", "words"),
    [
        ("latency", "", "expected an objective like"),
        ("accuracy - 0.1 latncy", "", "did you mean 'latency'"),
        ("accuracy + 0.1 latency", "", "expected an objective like"),
        ("accuracy - 0.1", "", "expected an objective like"),
        ("accuracy", "latency 1.1x", "expected a limit like"),
        ("accuracy", "latency < 1.1x; sites < 3", "expected a limit like"),
    ],
)
def test_what_cannot_be_read_says_what_it_should_look_like(reward, limits, words):
    with pytest.raises(UserError, match=words):
        Objective.parse(reward, limits)


def test_multiples_of_nothing_are_refused():
    with pytest.raises(UserError, match="give that limit without an x"):
        problem(limits="sites < 2x").feasible(price(SPACE.parse("0000")))
