"""Optuna's samplers as searchers: `optuna-tpe`, `optuna-nsga2`, and any other as `optuna:Class`.

Samplers may repeat their proposals, and do not know the limits in advance. If a proposal is known
or breaks a limit, Optuna is told its result, and is asked again, a few times. The last proposal is
changed at random sites until it is new and keeps the limits. Failed trials are told as failed.

Multi-objective samplers optimise accuracy and each cost that the objective names, and ignore the
weights of the costs; the search still ranks trials by reward. CMA-ES and quasi-Monte Carlo need
integers instead of categories, so that they are useful only with two choices per site. The Gaussian
process has no short name: with 8 sites it takes 0.3 s per proposal, and more with every trial.

Optuna, https://arxiv.org/abs/1907.10902
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState
from pydantic import NonNegativeInt

from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import Trial
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.optuna_logging import silence_optuna
from ean_search.search.searchers.proposal_filter import ProposalFilter
from ean_search.utils.errors import UserError, unknown_name

MULTI_OBJECTIVE_SAMPLERS = {"NSGAIISampler", "NSGAIIISampler"}  # unless `multi` says otherwise
INTEGER_SAMPLERS = {"CmaEsSampler", "QMCSampler"}  # they do not support categories


class OptunaSearcher(Searcher):
    """Propose what one of Optuna's samplers proposes.

    Args:
        problem: The space, the objective and the costs.
        sampler: The name of a class in `optuna.samplers`.
        settings: Keyword arguments of that class.
        multi: Whether to optimise accuracy and the costs separately; by default, only NSGA-II and
            NSGA-III do.
        tries: How often the sampler is asked again after a known or infeasible proposal.

    Raises:
        UserError: If the sampler cannot be made with these settings.
    """

    cohort = 4

    def __init__(
        self,
        problem: Problem,
        *,
        sampler: str = "TPESampler",
        settings: dict[str, Any] | None = None,
        multi: bool | None = None,
        tries: NonNegativeInt = 4,
    ) -> None:
        _check_sampler(sampler)
        self._problem, self._filter, self._tries = problem, ProposalFilter(problem), tries
        self._sampler, self._settings = sampler, settings or {}
        multi = sampler in MULTI_OBJECTIVE_SAMPLERS if multi is None else multi
        self._axes = [axis for axis, _ in problem.objective.weights] if multi else []
        self._sites = _distributions(problem, integers=sampler in INTEGER_SAMPLERS)
        self._make_sampler(0)  # report wrong settings now, not at the first proposal
        self._study: optuna.Study | None = None  # made with the first generator given
        self._told: dict[Placement, Trial] = {}
        self._asked: dict[Placement, optuna.Trial] = {}

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Propose n placements."""
        with silence_optuna():
            if self._study is None:
                self._study = self._start_study(rng)
            return [self._propose(self._study, rng) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell Optuna the results, also those of placements that it did not propose."""
        self._filter.mark_seen(trial.placement for trial in trials)
        with silence_optuna():
            for trial in trials:
                if self._study and trial.placement not in self._told:
                    asked = self._asked.pop(trial.placement, None)
                    asked = asked or self._enqueue(self._study, trial.placement)
                    self._tell_result(self._study, asked, trial)
                self._told.setdefault(trial.placement, trial)

    def _start_study(self, rng: np.random.Generator) -> optuna.Study:
        minimize = [StudyDirection.MINIMIZE] * len(self._axes)
        sampler = self._make_sampler(int(rng.integers(2**31)))
        study = optuna.create_study(
            sampler=sampler, directions=[StudyDirection.MAXIMIZE, *minimize]
        )
        for placement, trial in self._told.items():
            self._tell_result(study, self._enqueue(study, placement), trial)
        return study

    def _make_sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        sampler: optuna.samplers.BaseSampler
        try:
            with silence_optuna():
                sampler = getattr(optuna.samplers, self._sampler)(seed=seed, **self._settings)
                return sampler
        except (TypeError, ValueError, ImportError) as error:
            raise UserError(f"optuna:{self._sampler} cannot be made: {error}") from error

    def _propose(self, study: optuna.Study, rng: np.random.Generator) -> Placement:
        for _ in range(self._tries + 1):
            asked = study.ask(self._sites)
            placement = self._problem.space.placement(asked.params.values())
            if self._filter.accepts(placement):
                break
            self._tell_result(study, asked, self._told.get(placement))
        else:
            placement = self._filter.find_new_near(placement, rng)
            asked = self._enqueue(study, placement)
        self._filter.mark_seen([placement])
        self._asked[placement] = asked
        return placement

    def _enqueue(self, study: optuna.Study, placement: Placement) -> optuna.Trial:
        """Make Optuna propose a given placement."""
        study.enqueue_trial(dict(zip(self._sites, placement.choices, strict=True)))
        return study.ask(self._sites)

    def _tell_result(self, study: optuna.Study, asked: optuna.Trial, trial: Trial | None) -> None:
        """Tell Optuna the result of a proposal; without an accuracy, the proposal failed."""
        if trial and self._problem.objective.limits:
            limits, plain = self._problem.objective.limits, self._problem.given
            asked.set_constraint("limits", sum(limit.excess(trial.cost, plain) for limit in limits))
        values = self._values(trial) if trial else [math.nan]
        failed = not np.isfinite(values).all()
        state = TrialState.FAIL if failed else TrialState.COMPLETE
        try:
            study.tell(asked, None if failed else values, state)
        except RuntimeError as error:
            if "stop" not in str(error):  # a sampler that has proposed everything asks to stop
                raise

    def _values(self, trial: Trial) -> list[float]:
        """Return the values of Optuna's objectives; nan if there is no accuracy."""
        if trial.accuracy is None:
            return [math.nan]
        costs = [trial.cost.on(axis) for axis in self._axes]
        return [trial.accuracy, *costs] if costs else [trial.reward]


def _distributions(problem: Problem, integers: bool) -> dict[str, BaseDistribution]:
    """Describe each site to Optuna, as an integer or as a category."""
    choices = range(problem.space.choices)
    integer, category = IntDistribution(0, choices[-1]), CategoricalDistribution(choices)
    distribution: BaseDistribution = integer if integers else category
    return {f"site {site}": distribution for site in range(problem.space.sites)}


def named_sampler(name: str) -> Callable[..., OptunaSearcher]:
    """Return a function that makes the searcher of one sampler class.

    Args:
        name: The name of a class in `optuna.samplers`.

    Raises:
        UserError: If there is no such class.
    """
    _check_sampler(name)
    return partial(OptunaSearcher, sampler=name)


def _check_sampler(name: str) -> None:
    known = [n for n in optuna.samplers.__all__ if n.endswith("Sampler")]
    if name not in known:
        raise unknown_name("Optuna sampler", name, known)


tpe = named_sampler("TPESampler")
nsga2 = named_sampler("NSGAIISampler")
