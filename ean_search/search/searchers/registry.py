"""The registry of searchers.

To add a searcher, write a class in a file of this folder and add a line to SEARCHERS. A class
anywhere else needs no line: its name is `module:Class`. `check_searcher` checks whether it keeps
the contract in `base.py`.
"""

import inspect
import shlex
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ean_search.core.objective import Problem
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.plain_searcher import as_searcher
from ean_search.utils.config import read_value
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
# In a name like `optuna:CmaEsSampler`, the function of the family `optuna` makes the searcher.
FAMILIES: dict[str, str] = {"optuna": "ean_search.search.searchers.optuna_samplers:named_sampler"}
DEFAULT_SEARCHER = "reinforce"


def make_searcher(
    searcher: str | Callable[..., Any], problem: Problem, /, **options: Any
) -> Searcher:
    """Make a searcher.

    Args:
        searcher: A key of SEARCHERS, `family:member`, `module:Class`, or a class.
        problem: The space, the objective and the costs.
        options: Keyword arguments of the searcher; text is converted to the declared type.

    Returns:
        The searcher; objects of other classes than `Searcher` are wrapped in an adapter.

    Raises:
        UserError: If the name or an option is unknown, or the value of an option is invalid.

    Example:
        >>> make_searcher("surrogate", problem, initial=16)
    """
    make = find_searcher(searcher) if isinstance(searcher, str) else searcher
    name = searcher if isinstance(searcher, str) else getattr(make, "__name__", str(make))
    return as_searcher(make(problem, **_read_options(make, options, name)))


def find_searcher(name: str) -> Callable[..., Any]:
    """Find the class or function that makes a searcher.

    Args:
        name: A key of SEARCHERS, `family:member`, or `module:Class`.

    Returns:
        A callable that takes the problem, and the options as keyword arguments.

    Raises:
        UserError: If the name is none of these.
    """
    family, _, member = name.partition(":")
    if member and family in FAMILIES:
        find_member: Callable[[str], Callable[..., Any]] = load_attribute(FAMILIES[family])
        return find_member(member)
    make: Callable[..., Any] = lookup(name, SEARCHERS, "searcher")
    if name not in SEARCHERS:
        _check_kind(name, make)
    return make


def imports_searcher(name: str) -> bool:
    """Say whether a name stands for code outside the package and the known families."""
    return ":" in name and name.partition(":")[0] not in FAMILIES


def _check_kind(name: str, make: Any) -> None:
    """Refuse what makes no searcher, before it is called."""
    if not callable(make):
        raise UserError(f"{name!r} is no searcher: expected a class, got {make!r}")
    made = make if isinstance(make, type) else getattr(make, "__annotations__", {}).get("return")
    lacking = [m for m in ("ask", "tell") if not callable(getattr(made, m, None))]
    if lacking and not isinstance(made, str):  # text: an annotation that was not evaluated
        raise UserError(
            f"{name!r} is no searcher: expected a class with the methods ask and tell, or a "
            f"function that is annotated to return one; it has no {lacking[0]!r}"
        )


def split_searcher(text: str) -> tuple[str, dict[str, Any]]:
    """Split the text that describes a searcher into its name and its options.

    Args:
        text: A name as `find_searcher` takes it; options may follow it, such as
            `my:Annealing start=2`. A value with spaces stands in quotes.

    Raises:
        UserError: If a word after the name is no `option=value`.

    Example:
        >>> split_searcher("optuna-tpe multi=true tries=8")
        ('optuna-tpe', {'multi': True, 'tries': 8})
    """
    try:
        name, *words = shlex.split(text)
        name = type(text)(name)  # a stranger's stays one
    except ValueError:
        raise UserError(f"expected a searcher such as 'random tries=50', got {text!r}") from None
    options: dict[str, Any] = {}
    for word in words:
        option, _, value = word.partition("=")
        if not option or not value or option in options:
            expected = "each option once" if option in options else f"option=value after {name!r}"
            raise UserError(f"expected {expected}, such as 'random tries=50', got {word!r}")
        options[option] = read_value(value)
    return name, options


def _read_options(make: Callable[..., Any], options: dict[str, Any], name: str) -> dict[str, Any]:
    """Check options against the signature of the searcher, and convert text to declared types."""
    known = dict(list(inspect.signature(make).parameters.items())[1:])  # the first is the problem
    for option in options:
        if option not in known:
            raise unknown_name(f"option of searcher {name!r}:", option, known)
    return {option: _read_option(known[option], value, name) for option, value in options.items()}


def _read_option(parameter: inspect.Parameter, value: Any, name: str) -> Any:
    kind = Any if parameter.annotation is parameter.empty else parameter.annotation
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise UserError(f"searcher {name!r}: {parameter.name}: {reason}, got {value!r}") from error
