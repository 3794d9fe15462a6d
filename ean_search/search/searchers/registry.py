"""Searchers by name.

To add one: a file in this folder, or anywhere, and a line in SEARCHERS, or the name
`module:Class`; `check_searcher` tries out what `base.py` asks of it.
"""

import inspect
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ean_search.core.objective import Problem
from ean_search.search.searchers.base import Searcher, as_searcher
from ean_search.utils.errors import UserError, unknown_name
from ean_search.utils.registry import load_attribute, lookup

SEARCHERS: dict[str, str] = {
    "random": "ean_search.search.searchers.random:RandomSearch",
    "all": "ean_search.search.searchers.exhaustive:Exhaustive",
    "local": "ean_search.search.searchers.local_search:LocalSearch",
    "evolution": "ean_search.search.searchers.evolution:Evolution",
    "surrogate": "ean_search.search.searchers.surrogate:Surrogate",
    "optuna-tpe": "ean_search.search.searchers.optuna_samplers:tpe",
    "optuna-nsga2": "ean_search.search.searchers.optuna_samplers:nsga2",
    "ean": "ean_search.search.searchers.ean:EAN",
    "reinforce": "ean_search.search.searchers.reinforce:Reinforce",
}
# Names like `optuna:CmaEsSampler`: what comes before the colon finds what comes after it.
FAMILIES: dict[str, str] = {"optuna": "ean_search.search.searchers.optuna_samplers:named_sampler"}
DEFAULT_SEARCHER = "surrogate"


def make_searcher(
    searcher: str | Callable[..., Any], problem: Problem, /, **options: Any
) -> Searcher:
    """Make a searcher.

    Args:
        searcher: A key of SEARCHERS, `family:member`, `module:Class`, or a class.
        problem: The space, the objective and the costs.
        options: Keyword arguments of the searcher; text is read as the type that it declares.

    Raises:
        UserError: If the name, an option or its value is not known to be right.

    Example:
        >>> make_searcher("surrogate", problem, initial=16)
    """
    make = find_searcher(searcher) if isinstance(searcher, str) else searcher
    what = searcher if isinstance(searcher, str) else make.__name__
    return as_searcher(make(problem, **_read_options(make, options, what)))


def find_searcher(name: str) -> Callable[..., Any]:
    """Return what makes the searcher of a name."""
    family, _, member = name.partition(":")
    if member and family in FAMILIES:
        return load_attribute(FAMILIES[family])(member)
    return lookup(name, SEARCHERS, "searcher")


def _read_options(make: Callable[..., Any], options: dict[str, Any], what: str) -> dict[str, Any]:
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
