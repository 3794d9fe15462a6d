"""Optuna's samplers as searchers: `optuna-tpe`, `optuna-nsga2`, and any as `optuna:Class`.

Samplers propose what they proposed before, and know no limits beforehand. So a proposal that is
known is answered with what is known and drawn again, a few times; the last one is changed at
random sites until it is new and keeps the limits. What failed is told as failed.

Multi-objective samplers get accuracy and each cost that the objective names as objectives of their
own, and ignore its weights; the search still ranks trials by reward. CMA-ES and quasi-Monte Carlo
need numbers where others get categories, so with them only two choices a site make sense. The
Gaussian process has no short name: at 8 sites it takes .3 s a proposal, and more with every trial.

Optuna, https://arxiv.org/abs/1907.10902
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState
from pydantic import NonNegativeInt

from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import Trial
from ean_search.search.searchers.base import Searcher
from ean_search.search.searchers.optuna_logging import quietly
from ean_search.search.searchers.proposal_filter import ProposalFilter
from ean_search.utils.errors import UserError, unknown_name

MULTI = {"NSGAIISampler", "NSGAIIISampler"}  # multi-objective unless told otherwise
NUMERIC = {"CmaEsSampler", "QMCSampler"}


class OptunaSearcher(Searcher):
    """Ask one of Optuna's samplers."""

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
        self._problem, self._fresh, self._tries = problem, ProposalFilter(problem), tries
        self._sampler, self._settings = sampler, settings or {}
        multi = sampler in MULTI if multi is None else multi
        self._axes = [axis for axis, _ in problem.objective.weights] if multi else []
        choices = range(problem.space.choices)
        numbers, kinds = IntDistribution(0, choices[-1]), CategoricalDistribution(choices)
        one = numbers if sampler in NUMERIC else kinds
        self._sites = {f"site {site}": one for site in range(problem.space.sites)}
        self._make(0)  # what cannot be made is said at once
        self._study: optuna.Study | None = None  # made with the first generator given
        self._told: dict[Placement, Trial] = {}
        self._asked: dict[Placement, optuna.Trial] = {}

    def ask(self, n: int, rng: np.random.Generator) -> list[Placement]:
        """Ask for n placements."""
        with quietly():
            if self._study is None:
                self._begin(rng)
            return [self._propose(rng) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell all trials, those of others too."""
        self._fresh.add(trial.placement for trial in trials)
        with quietly():
            for trial in trials:
                if self._study and trial.placement not in self._told:
                    asked = self._asked.pop(trial.placement, None)
                    self._answer(asked or self._enqueue(trial.placement), trial)
                self._told.setdefault(trial.placement, trial)

    def _begin(self, rng: np.random.Generator) -> None:
        directions = ["maximize", *["minimize"] * len(self._axes)]
        sampler = self._make(int(rng.integers(2**31)))
        self._study = optuna.create_study(sampler=sampler, directions=directions)
        for placement, trial in self._told.items():
            self._answer(self._enqueue(placement), trial)

    def _make(self, seed: int) -> optuna.samplers.BaseSampler:
        try:
            with quietly():
                return getattr(optuna.samplers, self._sampler)(seed=seed, **self._settings)
        except (TypeError, ValueError, ImportError) as error:
            raise UserError(f"optuna:{self._sampler} cannot be made: {error}") from error

    def _propose(self, rng: np.random.Generator) -> Placement:
        for _ in range(self._tries + 1):
            asked = self._study.ask(self._sites)
            placement = self._problem.space.placement(asked.params.values())
            if self._fresh.is_new(placement):
                break
            self._answer(asked, self._told.get(placement))
        else:
            placement = self._fresh.near(placement, rng)
            asked = self._enqueue(placement)
        self._fresh.add([placement])
        self._asked[placement] = asked
        return placement

    def _enqueue(self, placement: Placement) -> optuna.Trial:
        """Make Optuna believe that it proposed a placement."""
        values = dict(zip(self._sites, placement.choices, strict=True))
        self._study.enqueue_trial(values)
        return self._study.ask(self._sites)

    def _answer(self, asked: optuna.Trial, trial: Trial | None) -> None:
        """Tell what came of a proposal; without an accuracy it failed."""
        if trial and self._problem.objective.limits:
            limits, plain = self._problem.objective.limits, self._problem.plain
            asked.set_constraint("limits", sum(limit.excess(trial.cost, plain) for limit in limits))
        values = self._values(trial) if trial and trial.accuracy is not None else [math.nan]
        failed = not np.isfinite(values).all()
        try:
            self._study.tell(
                asked,
                None if failed else values,
                TrialState.FAIL if failed else TrialState.COMPLETE,
            )
        except RuntimeError as error:
            if "stop" not in str(error):  # a sampler that has seen everything stops in vain
                raise

    def _values(self, trial: Trial) -> list[float]:
        costs = [trial.cost.on(axis) for axis in self._axes]
        return [trial.accuracy, *costs] if costs else [trial.reward]


def named_sampler(name: str) -> Any:
    """Return what makes a searcher of any class in `optuna.samplers`."""
    known = [n for n in optuna.samplers.__all__ if n.endswith("Sampler")]
    if name not in known:
        raise unknown_name("Optuna sampler", name, known)
    return partial(OptunaSearcher, sampler=name)


tpe = named_sampler("TPESampler")
nsga2 = named_sampler("NSGAIISampler")
