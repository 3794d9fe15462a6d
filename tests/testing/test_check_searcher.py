"""`check_searcher` names the promise that a searcher breaks."""

from functools import partial

import numpy as np
import pytest

from ean_search.core.space import Space
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.random import RandomSearch
from ean_search.testing.check_searcher import check_searcher, quick_check_searcher
from ean_search.testing.toy import ToyLandscape
from ean_search.utils.errors import UserError

BINARY = Space(name="toy", backbone="x", attention=["se"], stages=(2, 3, 3))
OTHER = Space(name="other", backbone="x", attention=["se"], stages=(8,))


class ProposesOutsideTheSpace(RandomSearch):
    def ask(self, n, rng):
        return [OTHER.named["all"]] * n


class ProposesTooFew(RandomSearch):
    def ask(self, n, rng):
        return super().ask(n, rng)[1:]


class ProposesText(RandomSearch):
    def ask(self, n, rng):
        return [str(placement) for placement in super().ask(n, rng)]


class UsesItsOwnGenerator(RandomSearch):
    hidden = np.random.default_rng()

    def ask(self, n, rng):
        return super().ask(n, self.hidden)


class DependsOnTime(RandomSearch):
    """Uses the seconds of trials, which a resumed run cannot reproduce."""

    num_late = 0

    def ask(self, n, rng):
        seed = [self.num_late, *rng.integers(99, size=3)]
        return super().ask(n, np.random.default_rng(seed))

    def tell(self, trials):
        super().tell(trials)
        self.num_late += sum(trial.seconds > 1 for trial in trials)


class RejectsTrialsOfOthers(RandomSearch):
    def tell(self, trials):
        super().tell(trials)
        if any(trial.step == 0 for trial in trials):
            raise KeyError("unknown trial")


class NeedsAccuracies(RandomSearch):
    def tell(self, trials):
        super().tell(trials)
        self.total = sum(trial.accuracy for trial in trials)


class RepeatsOnePlacement(RandomSearch):
    def ask(self, n, rng):
        return [BINARY.named["none"]] * n


class TakesNoGenerator(RandomSearch):
    def ask(self, n):
        return super().ask(n, np.random.default_rng(0))


class TakesOneTrial(RandomSearch):
    def tell(self, trial, reward):
        super().tell([trial])


class ReturnsNothing(RandomSearch):
    def ask(self, n, rng):
        super().ask(n, rng)


class YieldsProposals(RandomSearch):
    def ask(self, n, rng):
        yield from super().ask(n, rng)


class HasNoTell(Searcher):
    def __init__(self, problem):
        self.space = problem.space

    def ask(self, n, rng):
        return [self.space.sample(rng) for _ in range(n)]


class TakesNoProblem:
    def ask(self, n, rng):
        return []

    def tell(self, trials):
        pass


class PlainWithoutAsk:
    def __init__(self, problem):
        self.space = problem.space

    def tell(self, trials):
        pass


class PlainSearch:
    """A searcher that is no subclass of `Searcher`."""

    def __init__(self, problem, tries=100):
        self.search = RandomSearch(problem, tries=tries)

    def ask(self, n, rng):
        return self.search.ask(n, rng)

    def tell(self, trials):
        self.search.tell(trials)


class OnlyAsks:
    def ask(self, n, rng):
        return []


class PlainWithWrongTell(PlainSearch):
    def tell(self):
        pass


@pytest.mark.parametrize(
    ("searcher", "message"),
    [
        (ProposesOutsideTheSpace, "all of the space; got Placement"),
        (ProposesTooFew, "as many placements as asked for, all of the space; asked for 1, got 0"),
        (ProposesText, "all of the space; got '"),
        (UsesItsOwnGenerator, "the same seed gives the same proposals; step 1 gave"),
        (DependsOnTime, "a resumed search equals an uninterrupted one; step "),
        (RejectsTrialsOfOthers, "trials that the searcher did not propose, got KeyError"),
        (NeedsAccuracies, "tell accepts failed and infeasible trials, got TypeError"),
        (RepeatsOnePlacement, "beat half as many random placements; its best is"),
    ],
)
def test_a_broken_promise_is_named(searcher, message):
    with pytest.raises(AssertionError, match=message):
        check_searcher(searcher, BINARY)


@pytest.mark.parametrize(
    ("searcher", "message"),
    [
        (TakesNoGenerator, r"ask\(n\): too many positional arguments"),
        (TakesOneTrial, r"tell\(trial, reward\): missing a required argument: 'reward'"),
        (ReturnsNothing, "ask returned None"),
        (YieldsProposals, "ask returned <generator"),
        (HasNoTell, "abstract method '?tell"),
        (TakesNoProblem, r"TakesNoProblem\(\) takes no arguments"),
        (PlainWithoutAsk, "PlainWithoutAsk is no searcher: it has no method 'ask'"),
        (PlainWithWrongTell, r"tell\(\): too many positional arguments"),
    ],
)
def test_methods_of_a_wrong_form_give_one_clear_message(searcher, message):
    form = r"expected that a searcher has the methods ask\(n, rng\), .* and tell\(trials\); .*"
    with pytest.raises(AssertionError, match=form + message) as caught:
        check_searcher(searcher, BINARY)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "searcher", ["random", RandomSearch, PlainSearch, f"{__name__}:PlainSearch"]
)
def test_names_and_classes_are_accepted(searcher):
    check_searcher(searcher, BINARY, tries=5)


def test_unknown_names_and_options_are_errors_of_the_user():
    with pytest.raises(UserError, match="unknown searcher 'randm'; did you mean 'random'"):
        check_searcher("randm", BINARY)
    with pytest.raises(UserError, match="unknown option of searcher 'RandomSearch'"):
        check_searcher(RandomSearch, BINARY, trials=5)


def test_a_searcher_that_is_made_already_is_accepted():
    problem = ToyLandscape(BINARY).problem
    for made in (RandomSearch(problem), PlainSearch(problem, tries=5)):
        check_searcher(made, BINARY)
    with pytest.raises(UserError, match="expected options of a class; this RandomSearch is made"):
        check_searcher(RandomSearch(problem), BINARY, tries=5)
    with pytest.raises(AssertionError, match="it has no method 'tell'"):
        check_searcher(OnlyAsks(), BINARY)


def test_a_partial_of_a_class_is_accepted():
    check_searcher(partial(RandomSearch, tries=5), BINARY)


def test_a_quick_check_takes_no_notice_of_what_only_costs_quality():
    quick_check_searcher(f"{__name__}:RepeatsOnePlacement", {}, BINARY)
    quick_check_searcher(f"{__name__}:ProposesTooFew", {}, BINARY)
    with pytest.raises(UserError, match="as a placement of stages"):
        quick_check_searcher(f"{__name__}:ProposesOutsideTheSpace", {}, BINARY)
