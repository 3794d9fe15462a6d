"""The contract over every registered searcher, and making searchers by name."""

import numpy as np
import pytest

from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Space
from ean_search.search.searchers.random import RandomSearch
from ean_search.search.searchers.registry import (
    DEFAULT_SEARCHER,
    SEARCHERS,
    make_searcher,
    split_searcher,
)
from ean_search.testing.check_searcher import check_searcher
from ean_search.testing.toy import ToyLandscape, play_search, price
from ean_search.utils.errors import UserError

SPACES = {
    "binary": Space(name="toy", backbone="x", attention=["se"], stages=(2, 3, 3)),
    "mixed": Space(name="toy", backbone="x", attention=["se", "eca"], stages=(3, 2)),
    "four placements": Space(name="toy", backbone="x", attention=["se"], stages=(1, 1)),
}
BINARY = SPACES["binary"]
TOY = ToyLandscape(BINARY)
pytestmark = pytest.mark.usefixtures("one_thread")
every_searcher = pytest.mark.parametrize("name", SEARCHERS)


@pytest.mark.slow
@every_searcher
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_registered_searchers_keep_the_contract(name, space):
    check_searcher(name, space)


@every_searcher
def test_searchers_do_not_use_global_generators(name):
    import torch

    before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    play_search(make_searcher(name, TOY.problem), TOY)
    assert before == (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


@pytest.mark.parametrize("name", sorted(set(SEARCHERS) - {"ean"}))  # `ean` knows no limits
@pytest.mark.parametrize("limits", ["sites <= 3", "sites >= 6, latency < 13.5"])
def test_no_placement_is_proposed_twice_and_none_breaks_a_limit(name, limits):
    problem = Problem(BINARY, Objective.parse("accuracy", limits), price)
    num_feasible = sum(problem.feasible(price(placement)) for placement in BINARY.enumerate())
    told = play_search(make_searcher(name, problem), TOY)
    first = {trial.placement for trial in told[:num_feasible] if problem.feasible(trial.cost)}
    assert len(first) == min(num_feasible, len(told))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(SEARCHERS) - {"ean", "all"}))
@pytest.mark.parametrize("limits", ["sites <= 2", "sites >= 28"])
def test_no_proposal_breaks_a_limit_in_a_large_space(name, limits):
    space = Space(name="toy", backbone="x", attention=["se"], stages=(10, 20))
    problem = Problem(space, Objective.parse("accuracy", limits), price)
    told = play_search(make_searcher(name, problem), ToyLandscape(space))
    assert all(problem.feasible(trial.cost) for trial in told)
    assert len({trial.placement for trial in told}) == len(told)


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
        ("reinforce", {"draws": "many"}, "searcher 'reinforce': draws: .*, got 'many'"),
        ("ean", {"learning_rate": -1}, "greater than 0, got -1"),
        ("nowhere:Searcher", {}, "no module named 'nowhere'"),
    ],
)
def test_a_wrong_name_or_option_is_a_user_error(name, options, message):
    with pytest.raises(UserError, match=message):
        make_searcher(name, TOY.problem, **options)


def test_options_may_be_text_as_typed_on_the_command_line():
    searcher = make_searcher("random", TOY.problem, tries="1")
    assert play_search(searcher, TOY) == play_search(RandomSearch(TOY.problem, tries=1), TOY)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("my:Annealing", {}),
        ("my:Annealing start=0.1 steps=1e3 fast=true", {"start": 0.1, "steps": 1e3, "fast": True}),
        ("my:Annealing 'name=a b' rates=[0.1,2]", {"name": "a b", "rates": [0.1, 2]}),
        ("my:Annealing url=a=b", {"url": "a=b"}),
    ],
)
def test_options_that_follow_a_name_are_read(text, options):
    assert split_searcher(text) == ("my:Annealing", options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a searcher such as"),
        ("random 'a=1", "expected a searcher such as"),
        ("random tries", "expected option=value after 'random', .* got 'tries'"),
        ("random tries=", "expected option=value after 'random', .* got 'tries='"),
        ("random =1", "expected option=value"),
        ("random a=1 a=2", "expected each option once, .* got 'a=2'"),
        ("random a={", "'{' is not YAML"),
    ],
)
def test_what_follows_a_name_and_is_no_option_is_a_user_error(text, words):
    with pytest.raises(UserError, match=words) as caught:
        split_searcher(text)
    assert "\n" not in str(caught.value)
