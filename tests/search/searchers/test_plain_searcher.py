import numpy as np
import pytest

from ean_search.core.space import Space
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.plain_searcher import as_searcher
from ean_search.testing.toy import ToyLandscape, play_search
from ean_search.utils.errors import UserError

SPACE = Space(name="toy", backbone="x", attention=["se"], stages=(2, 2))


class Plain:
    """Has the methods of a searcher, but is no subclass."""

    def __init__(self):
        self.told = []

    def ask(self, n, rng):
        return (SPACE.sample(rng) for _ in range(n))

    def tell(self, trials):
        self.told += trials


class Declaring(Plain):
    cohort, exhaustive, multi_objective, entropy = 3, True, True, 0.5

    def probabilities(self):
        return np.full((4, 2), 0.5)


def test_a_plain_object_proposes_and_is_told_through_its_adapter():
    plain = Plain()
    trials = play_search(as_searcher(plain), ToyLandscape(SPACE))
    assert plain.told == trials
    assert {trial.placement.stages for trial in trials} == {SPACE.stages}


def test_a_plain_object_without_declarations_gets_the_defaults():
    searcher = as_searcher(Plain())
    assert searcher.cohort == Searcher.cohort
    assert not searcher.exhaustive
    assert not searcher.multi_objective
    assert searcher.probabilities() is None
    assert searcher.entropy is None


def test_the_declarations_of_a_plain_object_are_used():
    searcher = as_searcher(Declaring())
    assert (searcher.cohort, searcher.exhaustive, searcher.multi_objective) == (3, True, True)
    assert searcher.probabilities().shape == (4, 2)
    assert searcher.entropy == 0.5


def test_a_searcher_needs_no_adapter():
    searcher = as_searcher(Plain())
    assert as_searcher(searcher) is searcher


@pytest.mark.parametrize("method", ["ask", "tell"])
def test_an_object_without_ask_or_tell_is_refused(method):
    methods = {name: print for name in ("ask", "tell") if name != method}
    with pytest.raises(UserError, match=f"Half is no searcher: it has no method '{method}'"):
        as_searcher(type("Half", (), methods)())
