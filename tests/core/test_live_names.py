"""A user's own network is told by its name, and limits refer to it as it was given."""

from ean_search.core.live_names import given_placement, is_live
from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.core.trial import Cost


def space_of(backbone, attention):
    return Space(name="x", backbone=backbone, attention=attention, stages=(2,))


def price(placement):
    count = placement.attached
    return Cost(count, 1, 1, 1, 10.0 + count, 1)


def test_names_tell_modules_from_python():
    assert is_live("live/Net-0123")
    assert not is_live("resnet50")


def test_a_limit_is_a_multiple_of_what_was_given():
    limits = Objective.parse(limits="latency < 0.95x")
    own = Problem(space_of("live/Net-0", ["own", "se"]), limits, price)
    assert (given_placement(own.space), own.given.latency_ms) == ("all", 12.0)
    assert own.feasible(own.price(own.space.parse("10")))
    for backbone, attention in (("live/Net-0", ["se", "own"]), ("resnet50", ["own"])):
        new = Problem(space_of(backbone, attention), limits, price)
        assert new.given == new.plain
        assert not new.feasible(new.plain)
