"""The searcher's contract as executable claims: `check_searcher` for plug-in authors.

Plays small searches on a toy landscape, without networks. It says whether a searcher keeps the
rules and beats chance, not how good it is.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ean_search.core.space import Placement, Space
from ean_search.core.trial import Status, Trial
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.registry import make_searcher
from ean_search.testing.toy import COHORT, STEPS, Toy, play

SEEDS = 5
Make = Callable[[], Searcher]


def check_searcher(searcher: str | Callable[..., Searcher], space: Space, **options) -> None:
    """Raise an AssertionError that names the first promise a searcher breaks."""
    toy = Toy(space)

    def make() -> Searcher:
        return make_searcher(searcher, toy.problem, **options)

    make()  # unknown names and options are not the searcher's fault
    for promise, find_fault in PROMISES.items():
        try:
            fault = find_fault(make, toy)
        except Exception as error:
            raise AssertionError(f"expected that {promise}, got {error!r}") from error
        if fault:
            raise AssertionError(f"expected that {promise}; {fault}")


def _leaves_the_space(make: Make, toy: Toy) -> str | None:
    for n in (1, 3, COHORT):
        cohort = make().ask(n, np.random.default_rng(n))
        if len(cohort) != n:
            return f"asked for {n}, got {len(cohort)}"
    for placement in [trial.placement for trial in play(make(), toy)]:
        if not isinstance(placement, Placement) or placement.stages != toy.space.stages:
            return f"got {placement!r}"
        toy.space.placement(placement.choices)
    return None


def _varies(make: Make, toy: Toy) -> str | None:
    return _difference(play(make(), toy), play(make(), toy))


def _forgets(make: Make, toy: Toy) -> str | None:
    whole = play(make(), toy)
    revived = [Trial.from_json(trial.to_json(), toy.space) for trial in whole[: len(whole) // 2]]
    known = {trial.placement: replace(trial, seconds=9.9) for trial in revived}
    return _difference(whole, play(make(), toy, known=known))


def _refuses(make: Make, toy: Toy) -> str | None:
    searcher, named = make(), toy.space.named.values()
    searcher.tell([toy.trial(placement, 0, 0, "done") for placement in named])
    play(searcher, toy)
    strangers = [toy.space.sample(np.random.default_rng(i)) for i in range(COHORT)]
    searcher.tell([toy.trial(placement, 0, 0, "done") for placement in strangers])
    searcher.tell([])
    play(searcher, toy, seed=1)
    return None


def _breaks(make: Make, toy: Toy) -> str | None:
    def sometimes(placement: Placement) -> Status:
        return ("done", "failed", "infeasible")[sum(placement.choices) % 3]

    for status in (lambda p: "failed", lambda p: "infeasible", sometimes):
        play(make(), toy, status=status)
    return None


def _guesses(make: Make, toy: Toy) -> str | None:
    if make().exhaustive:
        return None  # it promises the best at the end, and nothing before
    runs = [play(make(), toy, seed=seed) for seed in range(SEEDS)]
    found = np.mean([max(trial.reward for trial in run) for run in runs])
    rng, few = np.random.default_rng(0), len(runs[0]) // 2
    draws = [[toy.accuracy(toy.space.sample(rng)) for _ in range(few)] for _ in range(100)]
    chance = np.max(draws, axis=1).mean()
    if found >= chance - 1e-9:
        return None
    return f"its best is {found:.4f} on average, that of {few} random placements {chance:.4f}"


def _difference(one: list[Trial], other: list[Trial]) -> str | None:
    for a, b in zip(one, other, strict=True):
        if a.placement != b.placement:
            return f"step {a.step} gave {a.placement} and {b.placement}"
    return None


PROMISES: dict[str, Callable[[Make, Toy], str | None]] = {
    "proposals lie in the space": _leaves_the_space,
    "the same seed gives the same run": _varies,
    "a resumed run equals an uninterrupted one": _forgets,
    "trials it never proposed are accepted": _refuses,
    "failed and infeasible trials are survived": _breaks,
    f"{COHORT * STEPS} proposals beat half as many random ones": _guesses,
}
