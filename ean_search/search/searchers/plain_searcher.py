"""An adapter that makes a searcher of any object with `ask` and `tell`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ean_search.core.space import Placement
from ean_search.core.trial import Trial
from ean_search.search.searchers.base import Searcher
from ean_search.utils.errors import UserError


class NotASearcherError(UserError):
    """An object that has no method `ask` or no method `tell`."""


class PlainSearcher(Searcher):
    """An adapter that makes a searcher of any object with `ask` and `tell`.

    Args:
        plain: The object. Attributes and methods of `Searcher` that it has are used, too.
    """

    def __init__(self, plain: Any) -> None:
        self.plain = plain
        self.cohort = getattr(plain, "cohort", Searcher.cohort)
        self.exhaustive = getattr(plain, "exhaustive", Searcher.exhaustive)
        self.multi_objective = getattr(plain, "multi_objective", Searcher.multi_objective)

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Return what the object proposes."""
        return list(self.plain.ask(n, rng))

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell the object the results."""
        self.plain.tell(trials)

    def probabilities(self) -> np.ndarray | None:
        """Return the object's policy, if it has one."""
        policy: Callable[[], np.ndarray] | None = getattr(self.plain, "probabilities", None)
        return None if policy is None else policy()

    @property
    def entropy(self) -> float | None:
        """Return the object's entropy, if it has one."""
        entropy: float | None = getattr(self.plain, "entropy", None)
        return entropy


def as_searcher(searcher: Any) -> Searcher:
    """Make a searcher of any object with `ask` and `tell`.

    Args:
        searcher: A searcher, which is returned as it is, or another object.

    Raises:
        NotASearcherError: If the object has no method `ask` or no method `tell`.
    """
    if isinstance(searcher, Searcher):
        return searcher
    for method in ("ask", "tell"):
        if not callable(getattr(searcher, method, None)):
            raise NotASearcherError(
                f"{type(searcher).__name__} is no searcher: it has no method {method!r}"
            )
    return PlainSearcher(searcher)
