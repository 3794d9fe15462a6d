"""`check_searcher`: checks whether a searcher keeps the contract in search/searchers/base.py.

It runs short searches on a toy landscape without networks. It checks that the searcher follows the
rules and finds better placements than random search; it does not measure how much better.
"""

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ean_search.core.space import Placement, Space
from ean_search.core.trial import Status, Trial
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.plain_searcher import (
    NotASearcherError,
    PlainSearcher,
    as_searcher,
)
from ean_search.search.searchers.registry import FAMILIES, find_searcher, make_searcher
from ean_search.testing.toy import COHORT_SIZE, NUM_STEPS, ToyLandscape, play_search
from ean_search.utils.errors import UserError, describe_crash
from ean_search.utils.seeding import seeded

NUM_SEEDS = 5  # searches that are compared with random placements
NUM_RANDOM_DRAWS = 100
NUM_PROPOSALS = COHORT_SIZE * NUM_STEPS
Make = Callable[[], Searcher]
Check = Callable[[Make, ToyLandscape], str | None]


def check_searcher(searcher: str | Callable[..., Any] | Any, space: Space, **options: Any) -> None:
    """Check whether a searcher keeps the contract; raise an error if it does not.

    Args:
        searcher: A registered name, `module:Class`, a class, or a searcher that was made for this
            space and has not been used yet; searchers may be of any class with `ask` and `tell`.
        space: The space to search; its backbone need not exist.
        options: Keyword arguments of the searcher; none for one that was made already.

    Raises:
        AssertionError: If the searcher breaks a promise; it names the first broken one and says
            what happened instead.
        UserError: If the name or an option is unknown, or the value of an option is invalid.

    Example:
        >>> space = Space(name="toy", backbone="none", attention="se", stages=(2, 3, 3))
        >>> check_searcher(MySearcher, space)
    """
    landscape = ToyLandscape(space)

    def make() -> Searcher:
        if isinstance(searcher, str | type) or not hasattr(searcher, "ask"):
            return make_searcher(searcher, landscape.problem, **options)
        if options:
            raise UserError(f"expected options of a class; this {type(searcher).__name__} is made")
        return as_searcher(copy.deepcopy(searcher))

    try:
        make()  # unknown names and options are no broken promises
    except (NotASearcherError, TypeError) as error:
        raise AssertionError(f"expected that {FORM}; {error}") from error
    for promise, check in PROMISES.items():
        try:
            difference = check(make, landscape)
        except Exception as error:
            raise AssertionError(f"expected that {promise}, got {error!r}") from error
        if difference:
            raise AssertionError(f"expected that {promise}; {difference}")


def quick_check_searcher(name: str, options: Mapping[str, Any], space: Space) -> None:
    """Check in a moment that a searcher can be made and, if it is a plug-in, that it works.

    A plug-in proposes two cohorts and is told results. `check_searcher` checks the whole contract.

    Args:
        name: The name of a searcher; a plug-in's is `module:Class`.
        options: Keyword arguments of the searcher.
        space: The space to search.

    Raises:
        UserError: If it cannot be made, has methods of another form, or breaks.
    """
    landscape = ToyLandscape(space)
    make = partial(make_searcher, name, landscape.problem, **options)
    if ":" not in name or name.partition(":")[0] in FAMILIES:
        make()
        return
    try:
        with seeded(0):
            _check_constructor(name, options, landscape)
            make()
            difference = check_form(make, landscape) or check_first_steps(make, landscape)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"searcher {name!r} breaks: {describe_crash(error)}") from error
    if difference:
        raise UserError(f"searcher {name!r}: expected that {FORM}; {difference}")


def _check_constructor(name: str, options: Mapping[str, Any], landscape: ToyLandscape) -> None:
    """Check that a constructor takes the problem; wrong options have messages of their own."""
    make = find_searcher(name)
    if not callable(make):
        raise UserError(f"searcher {name!r}: expected a class, got {make!r}")
    signature = inspect.signature(make)
    try:
        bound = signature.bind_partial(landscape.problem).arguments
        known = {option: options[option] for option in options if option not in bound}
        if set(known) <= set(signature.parameters):
            signature.bind(landscape.problem, **known)
    except TypeError as error:
        raise UserError(
            f"searcher {name!r}: expected a constructor that takes a problem, and options by "
            f"keyword; {make.__name__}{signature}: {error}"
        ) from error


def check_first_steps(make: Make, landscape: ToyLandscape) -> str | None:
    """Check that a searcher proposes placements of the space, before and after it is told some."""
    searcher, space = make(), landscape.space
    statuses: tuple[Status, ...] = ("done", "failed", "infeasible")
    searcher.tell([landscape.trial(placement) for placement in space.named.values()])
    for step in (1, 2):
        cohort = searcher.ask(COHORT_SIZE, np.random.default_rng(step))
        for placement in cohort:
            if not isinstance(placement, Placement) or placement.stages != space.stages:
                return f"ask returned {placement!r} as a placement of stages {space.stages}"
            space.placement(placement.choices)
        trials = enumerate(zip(cohort, statuses, strict=False))
        searcher.tell([landscape.trial(p, number, step, s) for number, (p, s) in trials])
    return None


def check_form(make: Make, landscape: ToyLandscape) -> str | None:
    """Check that `ask` and `tell` take the right arguments, and that `ask` returns placements."""
    searcher = make()
    plain = searcher.plain if isinstance(searcher, PlainSearcher) else searcher
    rng = np.random.default_rng(0)
    for method, arguments in ((plain.ask, (1, rng)), (plain.tell, ([],))):
        try:
            inspect.signature(method).bind(*arguments)
        except TypeError as error:
            return f"{method.__name__}{inspect.signature(method)}: {error}"
    proposals = plain.ask(1, rng)
    if not isinstance(proposals, Iterable if plain is not searcher else Sequence):
        return f"ask returned {proposals!r}"
    return None


def check_proposals(make: Make, landscape: ToyLandscape) -> str | None:
    """Check the number of proposals, and that they are placements of the space."""
    for n in (1, 3, COHORT_SIZE):
        cohort = make().ask(n, np.random.default_rng(n))
        if len(cohort) != n:
            return f"asked for {n}, got {len(cohort)}"
        if wrong := [proposal for proposal in cohort if not isinstance(proposal, Placement)]:
            return f"got {wrong[0]!r}"
    for placement in [trial.placement for trial in play_search(make(), landscape)]:
        if placement.stages != landscape.space.stages:
            return f"got {placement!r}"
        landscape.space.placement(placement.choices)
    return None


def check_same_seed(make: Make, landscape: ToyLandscape) -> str | None:
    """Check that two searches with the same seed make the same proposals."""
    return _describe_difference(play_search(make(), landscape), play_search(make(), landscape))


def check_resume(make: Make, landscape: ToyLandscape) -> str | None:
    """Check that a search makes the same proposals if half of the trials come from a log."""
    whole = play_search(make(), landscape)
    first_half = whole[: len(whole) // 2]
    logged = [Trial.from_json(trial.to_json(), landscape.space) for trial in first_half]
    # On a resumed run, nothing but the trials may count; not the time that they took.
    known = {trial.placement: replace(trial, seconds=9.9) for trial in logged}
    return _describe_difference(whole, play_search(make(), landscape, known=known))


def check_trials_of_others(make: Make, landscape: ToyLandscape) -> str | None:
    """Check that a searcher can be told trials that it did not propose, before and in a search."""
    searcher = make()
    searcher.tell([landscape.trial(placement) for placement in landscape.space.named.values()])
    play_search(searcher, landscape)
    others = [landscape.space.sample(np.random.default_rng(i)) for i in range(COHORT_SIZE)]
    searcher.tell([landscape.trial(placement) for placement in others])
    searcher.tell([])
    play_search(searcher, landscape, seed=1)
    return None


def check_failed_trials(make: Make, landscape: ToyLandscape) -> str | None:
    """Check that a searcher goes on if all trials, or some of them, fail or are infeasible."""

    def mixed(placement: Placement) -> Status:
        statuses: tuple[Status, ...] = ("done", "failed", "infeasible")
        return statuses[sum(placement.choices) % 3]

    play_search(make(), landscape, status_of=lambda placement: "failed")
    play_search(make(), landscape, status_of=lambda placement: "infeasible")
    play_search(make(), landscape, status_of=mixed)
    return None


def check_beats_random(make: Make, landscape: ToyLandscape) -> str | None:
    """Check that the best proposal is better than the best of half as many random placements."""
    if make().exhaustive:
        return None  # its best proposal may be the last one
    runs = [play_search(make(), landscape, seed=seed) for seed in range(NUM_SEEDS)]
    best = np.mean([max(trial.reward for trial in run) for run in runs])
    rng, space, size = np.random.default_rng(0), landscape.space, NUM_PROPOSALS // 2
    draws = [
        [landscape.accuracy(space.sample(rng)) for _ in range(size)]
        for _ in range(NUM_RANDOM_DRAWS)
    ]
    random_best = np.max(draws, axis=1).mean()
    if best >= random_best - 1e-9:
        return None
    return f"its best is {best:.4f} on average, that of {size} random placements {random_best:.4f}"


def _describe_difference(trials: list[Trial], other_trials: list[Trial]) -> str | None:
    for trial, other in zip(trials, other_trials, strict=True):
        if trial.placement != other.placement:
            return f"step {trial.step} gave {trial.placement} and {other.placement}"
    return None


FORM = (
    "a searcher has the methods ask(n, rng), which returns a list of placements, and tell(trials)"
)
PROMISES: dict[str, Check] = {
    FORM: check_form,
    "ask returns as many placements as asked for, all of the space": check_proposals,
    "the same seed gives the same proposals": check_same_seed,
    "a resumed search equals an uninterrupted one": check_resume,
    "tell accepts trials that the searcher did not propose": check_trials_of_others,
    "tell accepts failed and infeasible trials": check_failed_trials,
    f"{NUM_PROPOSALS} proposals beat half as many random placements": check_beats_random,
}
