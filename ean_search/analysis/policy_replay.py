"""What a searcher preferred over time, computed from the log of trials alone.

A searcher's policy is found by running the search again on its trials. Nothing is evaluated: the
log has a trial of every placement that the searcher proposes. If it has another one, the run was
made with another version or other settings, and the replay raises an error. Searchers without a
policy are described by what they proposed.
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
from ean_search.search.searchers.registry import imports_searcher, make_searcher
from ean_search.search.trial_log import InMemoryTrialLog

PROPOSALS_PER_SHARE = 16  # latest proposals that a share is taken of


class EndOfTrialsError(Exception):
    """The log has no more trials."""


class EndOfTrialsEvaluator:
    """An evaluator that ends a replay when something would have to be evaluated."""

    def evaluate(self, placements: Sequence[Placement], /) -> Iterator[EvaluationResult]:
        """End the replay."""
        raise EndOfTrialsError


class PolicyRecorder(Searcher):
    """A searcher that also records its policy before every step."""

    def __init__(self, searcher: Searcher) -> None:
        self.searcher, self.cohort = searcher, searcher.cohort
        self.policies: list[np.ndarray] = []  # (sites, choices) each

    def record(self) -> None:
        """Record the policy as it is now."""
        policy = self.searcher.probabilities()
        assert policy is not None, "only searchers with a policy are recorded"
        self.policies.append(policy)

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Record the policy and let the searcher propose."""
        self.record()
        return self.searcher.ask(n, rng)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Let the searcher learn."""
        self.searcher.tell(trials)


def replay_policy(run: Run) -> pd.DataFrame | None:
    """Return the policy of a run's searcher before every step and after the last one.

    Args:
        run: The run; if it was stopped, the policy ends with its last complete step.

    Returns:
        A frame as `policy_frame` describes it, or None if the searcher has no policy or the run
        has no trials. A searcher outside the package is not imported, so it has none here.

    Raises:
        UserError: If the trials are not those that the searcher proposes.
    """
    trials, fields = run.read_trials(), run.fields["search"]
    if imports_searcher(fields["searcher"]):
        return None
    objective = Objective.parse(fields["objective"], fields["limits"], run.score)
    problem = Problem(run.space, objective, _logged_price(run, trials))
    searcher = make_searcher(fields["searcher"], problem, **fields["options"])
    if searcher.probabilities() is None or not trials:
        return None
    if run.warm_start_file.is_file():
        searcher.warm_start(run.read_warm_start())
    recorder = PolicyRecorder(searcher)
    with suppress(EndOfTrialsError):
        run_search(
            problem,
            recorder,
            EndOfTrialsEvaluator(),
            InMemoryTrialLog(trials, run.trials_file),
            SearchSettings(len(trials), fields["cohort"], fields["steps"], run.fields["seed"]),
        )
    recorder.record()
    return policy_frame(np.stack(recorder.policies), run.space)


def proposal_shares(trials: Sequence[Trial], space: Space) -> pd.DataFrame | None:
    """Return how many of the latest proposals chose what at each site, for every step.

    Args:
        trials: The trials of a search; those of step 0, which every run begins with, do not count.
        space: Their space.

    Returns:
        A frame as `policy_frame` describes it, of shares instead of probabilities, or None if
        nothing was proposed yet.
    """
    proposed = [trial for trial in trials if trial.step > 0]
    if not proposed:
        return None
    chosen = np.eye(space.choices)[[trial.placement.choices for trial in proposed]]
    steps = np.array([trial.step for trial in proposed])
    step_ends = np.flatnonzero(np.append(steps[1:] != steps[:-1], True)) + 1
    shares = [chosen[max(0, end - PROPOSALS_PER_SHARE) : end].mean(axis=0) for end in step_ends]
    return policy_frame(np.stack(shares), space)


def policy_frame(policies: np.ndarray, space: Space) -> pd.DataFrame:
    """Return policies, (steps, sites, choices), as one row per step, site and choice."""
    steps, sites, choices = (axis.ravel() for axis in np.indices(policies.shape))
    names = np.array(["none", *(attention.name for attention in space.attention)])
    columns = {
        "step": steps,
        "site": sites,
        "stage": np.array(space.stage_of_site)[sites],
        "choice": choices,
        "attention": names[choices],
        "probability": policies.ravel(),
    }
    frame: pd.DataFrame = pd.DataFrame(columns)
    return frame


def _logged_price(run: Run, trials: Sequence[Trial]) -> Callable[[Placement], Cost]:
    """Price placements as their trials say, and others by the run's table."""
    table, logged = run.read_costs(), {trial.placement: trial.cost for trial in trials}
    return lambda placement: logged.get(placement) or table.price(placement)
