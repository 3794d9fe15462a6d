import itertools

import numpy as np
import pytest

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.search.searchers.exhaustive import Exhaustive
from ean_search.testing.toy import ToyLandscape, price
from ean_search.utils.errors import UserError

MIXED = Space(name="toy", backbone="x", attention=["se", "eca"], stages=(2, 1))


def test_every_placement_is_proposed_once_in_the_order_of_enumeration(rng):
    searcher = Exhaustive(ToyLandscape(MIXED).problem)
    cohorts = [searcher.ask(9, rng) for _ in range(3)]
    assert list(itertools.chain(*cohorts)) == MIXED.enumerate()
    assert searcher.ask(2, rng) == [MIXED.enumerate()[-1]] * 2


def test_what_breaks_a_limit_is_left_out(rng):
    problem = Problem(MIXED, Objective.parse("accuracy", "sites <= 1"), price)
    assert set(Exhaustive(problem).ask(7, rng)) == {p for p in MIXED.enumerate() if p.attached <= 1}


def test_a_large_space_is_not_built_beforehand(rng):
    space = Space(name="toy", backbone="x", attention=["se"], stages=(20,))
    cohort = Exhaustive(ToyLandscape(space).problem).ask(Exhaustive.cohort, rng)
    assert np.array([p.choices for p in cohort])[:, :12].sum() == 0


def test_a_space_beyond_patience_is_refused():
    space = Space(name="toy", backbone="x", attention=["se"], stages=(54,))
    with pytest.raises(UserError, match=r"at most 16,777,216 placements .* got 2\^54"):
        Exhaustive(ToyLandscape(space).problem)
