"""What makes a searcher: the contract of algorithms that propose placements.

A searcher proposes a cohort (`ask`) and is told how its members did (`tell`), in the same order.
Its state may depend only on the arguments it was made with, the generators it was given and the
trials it was told: then a resumed search is a replay, and equals an uninterrupted one. It may be
told trials it never proposed, such as the placements every run begins with, and trials that failed
or were not evaluated because they break a limit.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from ean_search.core.space import Placement
from ean_search.core.trial import Trial


class Searcher(ABC):
    """Base class of searchers; its class attributes are the declaration.

    Attributes:
        cohort: How many placements to ask for at once, where the user does not say.
        exhaustive: It promises nothing before every placement was proposed.
        multi_objective: It seeks a front, and does not use the weights of the objective.

    Example:
        >>> class First(Searcher):
        ...     def __init__(self, problem):
        ...         self.space = problem.space
        ...
        ...     def ask(self, n, rng):
        ...         return [self.space.sample(rng) for _ in range(n)]
        ...
        ...     def tell(self, trials):
        ...         pass
    """

    cohort: int = 8
    exhaustive: bool = False
    multi_objective: bool = False

    @abstractmethod
    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose n placements, with all randomness from the generator."""

    @abstractmethod
    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn how placements did."""

    def probabilities(self) -> np.ndarray | None:
        """Return the policy, (sites, choices); None if there is no policy."""
        return None

    @property
    def entropy(self) -> float | None:
        """Return the mean entropy of the policy's sites, in nats; None if there is no policy."""
        return None


class PlainSearcher(Searcher):
    """Any object with `ask` and `tell` as a searcher; what it declares besides is taken over."""

    def __init__(self, plain: Any) -> None:
        self.plain = plain
        self.cohort = getattr(plain, "cohort", Searcher.cohort)
        self.exhaustive = getattr(plain, "exhaustive", False)
        self.multi_objective = getattr(plain, "multi_objective", False)

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Let the object propose."""
        return list(self.plain.ask(n, rng))

    def tell(self, trials: Sequence[Trial]) -> None:
        """Let the object learn."""
        self.plain.tell(trials)

    def probabilities(self) -> np.ndarray | None:
        """Return the object's policy, if it has one."""
        policy = getattr(self.plain, "probabilities", None)
        return None if policy is None else policy()

    @property
    def entropy(self) -> float | None:
        """Return the object's entropy, if it has one."""
        return getattr(self.plain, "entropy", None)


def as_searcher(searcher: Any) -> Searcher:
    """Return a searcher as it is, and any other object with `ask` and `tell` in an adapter."""
    return searcher if isinstance(searcher, Searcher) else PlainSearcher(searcher)
