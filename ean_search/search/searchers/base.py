"""The contract of searchers, the algorithms that propose placements.

A searcher proposes a cohort (`ask`) and is then told the results (`tell`), in the same order. Its
state may depend only on its constructor's arguments, on the generators given to `ask`, and on the
trials told. A resumed search then repeats the same steps and equals an uninterrupted one.

A searcher is also told trials that it did not propose, such as the named placements that every run
begins with, trials that failed, and trials that were not evaluated because they break a limit.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from ean_search.core.space import Placement
from ean_search.core.trial import Trial
from ean_search.utils.errors import UserError


class Searcher(ABC):
    """Base class of searchers. Subclasses override the class attributes to declare what they are.

    The constructor takes the problem first; its keyword arguments are the searcher's options.

    Attributes:
        cohort: The number of placements to ask for at once, unless the user sets it.
        exhaustive: Whether it proposes all placements in a fixed order, so that nothing can be said
            about its best one before the end.
        multi_objective: Whether it optimises accuracy and costs separately, without the weights of
            the objective.

    Example:
        >>> class UniformSearcher(Searcher):
        ...     def __init__(self, problem: Problem) -> None:
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
        """Propose a cohort.

        Args:
            n: The number of placements.
            rng: The source of all randomness; it depends on the run's seed and the step.

        Returns:
            A list of n placements of the space. Known placements and placements that break a limit
            are allowed; they cost nothing, but they teach nothing either.
        """

    @abstractmethod
    def tell(self, trials: Sequence[Trial]) -> None:
        """Learn from results.

        Args:
            trials: The trials of the last cohort, in its order; some may be missing when the budget
                ends. Before the first cohort, the trials of the named placements.
        """

    def recommend(self, trials: Sequence[Trial]) -> Trial:
        """Return the trial that the searcher would recommend of those that it was told.

        Args:
            trials: At least one trial.

        Returns:
            By default, the one with the highest reward. A searcher with a model may know that this
            was luck.
        """
        return max(trials, key=lambda trial: trial.reward)

    def warm_start(self, trials: Sequence[Trial]) -> None:
        """Learn from the trials of another run on the same sites, before anything else.

        Args:
            trials: The other run's trials; their accuracies and costs may have another scale.

        Raises:
            UserError: If the searcher cannot; only those with a model can.
        """
        raise UserError(
            f"a {type(self).__name__} cannot use another run's trials: --warm-start is for "
            "reinforce and surrogate"
        )

    def probabilities(self) -> np.ndarray | None:
        """Return the policy, (sites, choices); None if the searcher has no policy."""
        return None

    @property
    def entropy(self) -> float | None:
        """Return the mean entropy of the policy's sites, in nats; None if there is no policy."""
        return None
