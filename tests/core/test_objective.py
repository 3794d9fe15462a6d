import pytest

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.testing.toy import price
from ean_search.utils.errors import UserError

SPACE = Space(name="toy", backbone="x", attention="se", stages=(4,))


def problem(reward="accuracy", limits=""):
    return Problem(SPACE, Objective.parse(reward, limits), price)


def test_costs_are_normalised_by_those_of_none_and_all():
    toy_problem = problem("accuracy - 0.1 latency - sites")
    assert toy_problem.reward(0.8, price(SPACE.parse("0000"))) == pytest.approx(0.8)
    assert toy_problem.reward(0.8, price(SPACE.parse("1100"))) == pytest.approx(0.8 - 0.05 - 0.5)


def test_a_constant_cost_does_not_change_the_reward():
    assert problem("accuracy - 5 macs").reward(0.8, price(SPACE.parse("1111"))) == 0.8


def test_the_published_reward_differs_only_by_a_unit_and_a_constant():
    toy_problem = problem("accuracy - 0.02 sites")
    for text, accuracy in [("0000", 0.7), ("1010", 0.72), ("1111", 0.65)]:
        placement = SPACE.parse(text)
        published = 100 * accuracy + 2 * (1 - placement.attached / 4) - 54
        assert 100 * toy_problem.reward(accuracy, price(placement)) - 52 == pytest.approx(published)


@pytest.mark.parametrize(
    ("limits", "text", "expected"),
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
def test_limits_are_absolute_or_multiples_of_the_plain_backbone(limits, text, expected):
    assert problem(limits=limits).feasible(price(SPACE.parse(text))) is expected


def test_the_penalty_is_below_every_reward_and_grows_with_the_excess():
    toy_problem = problem("accuracy - 3 sites", limits="sites <= 1")
    worst = toy_problem.reward(0.0, price(SPACE.parse("1111")))
    two, four = (toy_problem.penalty(price(SPACE.parse(text))) for text in ("1100", "1111"))
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
def test_a_wrong_text_gives_an_example_of_a_right_one(reward, limits, words):
    with pytest.raises(UserError, match=words):
        Objective.parse(reward, limits)


def test_a_relative_limit_on_a_cost_of_zero_is_refused():
    with pytest.raises(UserError, match="give that limit without an x"):
        problem(limits="sites < 2x").feasible(price(SPACE.parse("0000")))


def test_the_excess_is_the_share_of_the_bound_by_which_a_limit_is_broken():
    plain = price(SPACE.named["none"])
    (limit,) = Objective.parse(limits="latency <= 1.1x").limits
    assert limit.excess(price(SPACE.parse("1100")), plain) == 0.0
    assert limit.excess(price(SPACE.parse("1111")), plain) == pytest.approx(1 / 11)
    (at_least,) = Objective.parse(limits="sites >= 4").limits
    assert at_least.excess(price(SPACE.parse("1000")), plain) == pytest.approx(3 / 4)
