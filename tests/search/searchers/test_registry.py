"""The contract, over every registered searcher; and that the contract's own check has teeth."""

import numpy as np
import pytest

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.search.searchers.random import RandomSearch
from ean_search.search.searchers.registry import DEFAULT_SEARCHER, SEARCHERS, make_searcher
from ean_search.testing.check_searcher import check_searcher
from ean_search.testing.toy import Toy, play, price
from ean_search.utils.errors import UserError

SPACES = {
    "binary": Space(name="toy", backbone="x", attention=["se"], stages=(2, 3, 3)),
    "mixed": Space(name="toy", backbone="x", attention=["se", "eca"], stages=(3, 2)),
    "four placements": Space(name="toy", backbone="x", attention=["se"], stages=(1, 1)),
}
BINARY = SPACES["binary"]
TOY = Toy(BINARY)
pytestmark = pytest.mark.usefixtures("one_thread")
every_searcher = pytest.mark.parametrize("name", SEARCHERS)


@every_searcher
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_the_contract_is_kept(name, space):
    check_searcher(name, space)


@every_searcher
def test_no_global_generator_is_touched(name):
    import torch

    before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    play(make_searcher(name, TOY.problem), TOY)
    assert before == (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


@pytest.mark.parametrize("name", sorted(set(SEARCHERS) - {"ean"}))  # as published: without limits
@pytest.mark.parametrize("limits", ["sites <= 3", "sites >= 6, latency < 8"])
def test_nothing_is_proposed_twice_nor_beyond_the_limits(name, limits):
    problem = Problem(BINARY, Objective.parse("accuracy", limits), price)
    worthy = sum(problem.feasible(price(placement)) for placement in BINARY.enumerate())
    told = play(make_searcher(name, problem), TOY)
    first = {trial.placement for trial in told[:worthy] if problem.feasible(trial.cost)}
    assert len(first) == min(worthy, len(told))


@pytest.mark.parametrize("name", sorted(set(SEARCHERS) - {"ean", "all"}))
@pytest.mark.parametrize("limits", ["sites <= 2", "sites >= 28"])
def test_limits_hold_in_a_space_too_large_to_list(name, limits):
    space = Space(name="toy", backbone="x", attention=["se"], stages=(10, 20))
    problem = Problem(space, Objective.parse("accuracy", limits), price)
    told = play(make_searcher(name, problem), Toy(space))
    assert all(problem.feasible(trial.cost) for trial in told)
    assert len({trial.placement for trial in told}) == len(told)


def test_random_search_finds_every_placement_of_a_small_space(rng):
    searcher = RandomSearch(TOY.problem, tries=1)
    assert set(searcher.ask(BINARY.size, rng)) == set(BINARY.enumerate())
    assert len(searcher.ask(3, rng)) == 3


def test_random_search_draws_the_count_of_attachments_evenly(rng):
    space = Space(name="toy", backbone="x", attention=["se"], stages=(9,) * 6)
    cohort = RandomSearch(Toy(space).problem).ask(600, rng)
    counts = np.histogram([p.attached for p in cohort], bins=np.linspace(0, 55, 6))[0]
    assert counts.min() > 70


def test_the_default_is_registered():
    assert DEFAULT_SEARCHER in SEARCHERS


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("reinforc", {}, "unknown searcher 'reinforc'; did you mean 'reinforce'"),
        (
            "random",
            {"trys": 3},
            "unknown option of searcher 'random': 'trys'; did you mean 'tries'",
        ),
        ("reinforce", {"epochs": "many"}, "searcher 'reinforce': epochs: .*, got 'many'"),
        ("ean", {"learning_rate": -1}, "greater than 0, got -1"),
        ("nowhere:Searcher", {}, "no module named 'nowhere'"),
    ],
)
def test_a_wrong_name_or_option_is_a_user_error(name, options, message):
    with pytest.raises(UserError, match=message):
        make_searcher(name, TOY.problem, **options)


def test_options_may_be_text_as_typed_on_the_command_line():
    searcher = make_searcher("random", TOY.problem, tries="1")
    assert play(searcher, TOY) == play(RandomSearch(TOY.problem, tries=1), TOY)


class Outside(RandomSearch):
    def ask(self, n, rng):
        return [Space(name="y", backbone="x", attention=["se"], stages=(8,)).named["all"]] * n


class Short(RandomSearch):
    def ask(self, n, rng):
        return super().ask(n, rng)[1:]


class Secretive(RandomSearch):
    hidden = np.random.default_rng()

    def ask(self, n, rng):
        return super().ask(n, self.hidden)


class Watching(RandomSearch):
    """Goes by the clock, which a resumed run cannot repeat."""

    late = 0

    def ask(self, n, rng):
        return super().ask(n, np.random.default_rng([self.late, *rng.integers(99, size=3)]))

    def tell(self, trials):
        super().tell(trials)
        self.late += sum(trial.seconds > 1 for trial in trials)


class Shy(RandomSearch):
    def tell(self, trials):
        super().tell(trials)
        if any(trial.step == 0 for trial in trials):
            raise KeyError("whose is this?")


class Fragile(RandomSearch):
    def tell(self, trials):
        super().tell(trials)
        self.mean = sum(trial.accuracy for trial in trials)


class Stubborn(RandomSearch):
    def ask(self, n, rng):
        return [TOY.space.named["none"]] * n


@pytest.mark.parametrize(
    ("searcher", "promise"),
    [
        (Outside, "proposals lie in the space"),
        (Short, "proposals lie in the space; asked for 1, got 0"),
        (Secretive, "the same seed gives the same run; step 1 gave"),
        (Watching, "a resumed run equals an uninterrupted one; step "),
        (Shy, "trials it never proposed are accepted, got KeyError"),
        (Fragile, "failed and infeasible trials are survived, got TypeError"),
        (Stubborn, "beat half as many random ones; its best is"),
    ],
)
def test_a_broken_promise_is_named(searcher, promise):
    with pytest.raises(AssertionError, match=promise):
        check_searcher(searcher, BINARY)


def test_the_check_passes_options_on_and_refuses_unknown_ones():
    check_searcher(RandomSearch, BINARY, tries=5)
    with pytest.raises(UserError, match="unknown option of searcher 'RandomSearch'"):
        check_searcher(RandomSearch, BINARY, trials=5)
