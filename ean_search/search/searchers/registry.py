"""Searchers by name, and what makes one.

A searcher proposes a cohort (`ask`) and is told how its members did (`tell`), in the same order.
Its state may depend only on what it was made with, the generators it was given and what it was
told: then a resumed search is a replay, and equals an uninterrupted one. It may be told trials it
never proposed, such as the placements every run begins with, and trials that failed or were not
evaluated because they break a limit. A class attribute `cohort` suggests how many to ask for;
`exhaustive = True` says that nothing is promised before everything was proposed.

To add one: a file here or anywhere, a line in SEARCHERS or the name `module:Class`, and
`check_searcher` in its test.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import Trial
from ean_search.utils.errors import UserError, unknown_name
from ean_search.utils.registry import load_attribute, lookup

SEARCHERS: dict[str, str] = {
    "random": "ean_search.search.searchers.random:Random",
    "all": "ean_search.search.searchers.exhaustive:All",
    "local": "ean_search.search.searchers.local_search:Local",
    "evolution": "ean_search.search.searchers.evolution:Evolution",
    "surrogate": "ean_search.search.searchers.surrogate:Surrogate",
    "optuna-tpe": "ean_search.search.searchers.optuna_samplers:tpe",
    "optuna-nsga2": "ean_search.search.searchers.optuna_samplers:nsga2",
    "ean": "ean_search.search.searchers.ean:Ean",
    "reinforce": "ean_search.search.searchers.reinforce:Reinforce",
}
# Names like `optuna:CmaEsSampler`: what comes before the colon finds what comes after it.
FAMILIES: dict[str, str] = {"optuna": "ean_search.search.searchers.optuna_samplers:named_sampler"}
DEFAULT = "surrogate"


class Searcher(Protocol):
    """Whatever proposes placements and learns from how they did."""

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose n placements."""

    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn how placements did."""


def make_searcher(
    searcher: str | Callable[..., Searcher], problem: Problem, /, **options: Any
) -> Searcher:
    """Make a searcher from its name, `family:member`, `module:Class` or class, and its options."""
    make = find_searcher(searcher) if isinstance(searcher, str) else searcher
    what = searcher if isinstance(searcher, str) else make.__name__
    return make(problem, **_read_options(make, options, what))


def find_searcher(name: str) -> Callable[..., Searcher]:
    """Return what makes the searcher of a name."""
    family, _, member = name.partition(":")
    if member and family in FAMILIES:
        return load_attribute(FAMILIES[family])(member)
    return lookup(name, SEARCHERS, "searcher")


def _read_options(make: Callable[..., Searcher], options: dict[str, Any], what: str) -> dict:
    """Check options against the searcher's own signature, reading numbers from text."""
    known = dict(list(inspect.signature(make).parameters.items())[1:])  # the problem comes first
    for name in options:
        if name not in known:
            raise unknown_name(f"option of searcher {what!r}:", name, known)
    return {n: _read_option(known[n], value, what) for n, value in options.items()}


def _read_option(parameter: inspect.Parameter, value: Any, what: str) -> Any:
    kind = Any if parameter.annotation is parameter.empty else parameter.annotation
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        fault = error.errors()[0]["msg"]
        raise UserError(f"searcher {what!r}: {parameter.name}: {fault}, got {value!r}") from error
