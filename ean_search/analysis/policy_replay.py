"""What a searcher leant to over time, from the store alone.

A controller's policy is found by running the search again on its trials. Nothing is evaluated:
every placement the searcher proposes has its trial already, and where it does not, another version
or other settings made the run, and the replay says so. Searchers without a policy are described by
what they proposed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import numpy as np
import pandas as pd

from ean_search.analysis.run_folder import Run
from ean_search.core.objective import Objective, Problem
from ean_search.core.space import Placement, Space
from ean_search.core.trial import Cost, EvaluationResult, Trial
from ean_search.search.loop import SearchSettings, run_search
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.registry import make_searcher
from ean_search.search.trial_log import InMemoryTrialLog

WINDOW = 16  # proposals that shares are taken of


class EndOfTrialsError(Exception):
    """There are no more trials: the run stopped among its first placements."""


class NoEvaluator:
    """An evaluator that ends the replay where something would have to be evaluated."""

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]:
        """End the replay."""
        raise EndOfTrialsError


class WatchedSearcher(Searcher):
    """A searcher, and the probabilities of its policy before every step."""

    def __init__(self, searcher: Searcher) -> None:
        self.searcher, self.cohort = searcher, searcher.cohort
        self.steps: list[np.ndarray] = []  # (sites, choices) each

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Note the policy and let the searcher propose."""
        self.steps.append(self.searcher.probabilities())
        return self.searcher.ask(n, rng)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Let the searcher learn."""
        self.searcher.tell(trials)


def replay(run: Run) -> pd.DataFrame | None:
    """Return a row a step, site and choice with its probability; none if there is no policy."""
    trials, fields = run.read_trials(), run.fields["search"]
    goal = Objective.parse(fields["objective"], fields["limits"])
    problem = Problem(run.space, goal, _price(run, trials))
    searcher = make_searcher(fields["searcher"], problem, **fields["options"])
    if searcher.probabilities() is None or not trials:
        return None
    watched = WatchedSearcher(searcher)
    with suppress(EndOfTrialsError):
        run_search(
            problem,
            watched,
            NoEvaluator(),
            InMemoryTrialLog(trials, run.trials_file),
            SearchSettings(len(trials), fields["cohort"], fields["steps"], run.fields["seed"]),
        )
    watched.steps.append(searcher.probabilities())
    return policy_frame(np.stack(watched.steps), run.space)


def proposal_shares(trials: Sequence[Trial], space: Space) -> pd.DataFrame | None:
    """Return a row a step, site and choice with its share of the latest proposals evaluated."""
    proposed = [trial for trial in trials if trial.step > 0]  # what a run begins with is step 0
    if not proposed:
        return None
    chosen = np.eye(space.choices)[[trial.placement.choices for trial in proposed]]
    steps = np.array([trial.step for trial in proposed])
    ends = np.flatnonzero(np.append(steps[1:] != steps[:-1], True)) + 1
    shares = [chosen[max(0, end - WINDOW) : end].mean(axis=0) for end in ends]
    return policy_frame(np.stack(shares), space)


def policy_frame(policies: np.ndarray, space: Space) -> pd.DataFrame:
    """Spread out policies (steps, sites, choices) over rows."""
    steps, sites, choices = (axis.ravel() for axis in np.indices(policies.shape))
    names = np.array(["none", *(attention.name for attention in space.attention)])
    return pd.DataFrame(
        {
            "step": steps,
            "site": sites,
            "stage": np.array(space.groups)[sites],
            "choice": choices,
            "attention": names[choices],
            "probability": policies.ravel(),
        }
    )


def _price(run: Run, trials: Sequence[Trial]) -> Callable[[Placement], Cost]:
    """Price placements as their trials say, and others by the run's table."""
    table, known = run.read_costs(), {trial.placement: trial.cost for trial in trials}
    return lambda placement: known.get(placement) or table.price(placement)
