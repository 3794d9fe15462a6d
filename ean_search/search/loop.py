"""The search: ask for a cohort, evaluate what is new in it, tell the searcher; over and over.

Randomness comes from (seed, step) alone and trials are told in the cohort's order, so the store is
all there is to a search: resuming runs the same loop again with the stored trials at hand.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np

from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult, Status, Trial
from ean_search.search.searchers.registry import Searcher
from ean_search.search.status import SearchStatus
from ean_search.search.trial_log import TrialLog
from ean_search.utils.errors import UserError
from ean_search.utils.progress import Progress, silent

COHORT = 8  # placements asked for at once, if neither user nor searcher cares
PATIENCE = 100  # steps without a new placement after which a searcher counts as exhausted

SYNC_AFTER = 1.0  # seconds of work that a power cut may cost


class Evaluator(Protocol):
    """Measures placements, yielding one result after another in the order given."""

    def evaluate(self, placements: Sequence[Placement]) -> Iterator[EvaluationResult]: ...


@dataclass
class TrialRecorder:
    """Turns placements into trials, evaluating each only once."""

    problem: Problem
    evaluator: Evaluator
    store: TrialLog
    known: dict[Placement, Trial] = field(default_factory=dict)

    def evaluate(
        self, placements: Sequence[Placement], step: int, room: int, notes: Sequence[str] = ()
    ) -> list[Trial]:
        """Return the trials of placements, evaluating at most `room` new ones.

        Placements that break a limit are not evaluated, except for named ones (with a note): those
        are what everything else is compared with.
        """
        note = dict(zip(placements, notes, strict=False))
        asked = dict.fromkeys(placements)
        new = [p for p in asked if p not in self.known and (p in note or self._feasible(p))][:room]
        self._evaluate(new, step, note)
        return [trial for p in placements if (trial := self._trial(p, step)) is not None]

    def _evaluate(self, new: Sequence[Placement], step: int, note: dict[Placement, str]) -> None:
        stored = self.store.trials[len(self.known) : len(self.known) + len(new)]
        for placement, trial in zip(new, stored, strict=False):
            if trial.placement != placement:
                raise UserError(
                    f"{self.store.path}: trial {trial.number} is {trial.placement}, but this "
                    f"search proposes {placement}: other settings, or another version, made it"
                )
            self.known[trial.placement] = trial
        rest = new[len(stored) :]
        measurements = self._measure(new, len(stored)) if rest else iter(())
        for placement, measured in zip(rest, measurements, strict=True):
            trial = self._judge(placement, measured, step, note.get(placement, ""))
            self.store.append(trial)
            self.known[trial.placement] = trial
            if measured.seconds > SYNC_AFTER:
                self.store.sync()
        if rest:
            self.store.sync()

    def _measure(self, new: Sequence[Placement], stored: int) -> Iterator[EvaluationResult]:
        """Evaluate what is not stored, with those that are where members depend on each other."""
        if getattr(self.evaluator, "joint", False):
            return islice(self.evaluator.evaluate(new), stored, None)
        return self.evaluator.evaluate(new[stored:])

    def _judge(
        self, placement: Placement, measured: EvaluationResult, step: int, note: str
    ) -> Trial:
        cost = self.problem.price(placement)
        feasible, done = self.problem.feasible(cost), measured.accuracy is not None
        ended: Status = "stopped" if measured.stopped else "done"
        reward = self.problem.penalty(cost)
        if done and feasible:
            reward = self.problem.reward(measured.accuracy, cost)
        return Trial(
            number=len(self.store.trials),
            step=step,
            placement=placement,
            status=(ended if feasible else "infeasible") if done else "failed",
            accuracy=measured.accuracy,
            reward=reward,
            cost=cost,
            seconds=round(measured.seconds, 4),
            note=measured.note or note,
        )

    def _trial(self, placement: Placement, step: int) -> Trial | None:
        """Return a placement's trial; one out of limits has no number and no accuracy."""
        cost = self.problem.price(placement)
        if placement in self.known or self.problem.feasible(cost):
            return self.known.get(placement)
        penalty = self.problem.penalty(cost)
        return Trial(-1, step, placement, "infeasible", None, penalty, cost, 0.0)

    def _feasible(self, placement: Placement) -> bool:
        return self.problem.feasible(self.problem.price(placement))


def run_search(
    problem: Problem,
    searcher: Searcher,
    evaluator: Evaluator,
    store: TrialLog,
    *,
    budget: int,
    cohort: int = COHORT,
    steps: int | None = None,
    seed: int = 0,
    axis: str = "latency_ms",
    progress: Progress = silent,
) -> str:
    """Spend a budget of distinct evaluations, named placements included; return why it ended."""
    recorder, standing = TrialRecorder(problem, evaluator, store), SearchStatus(axis)

    def tell(trials: list[Trial]) -> None:
        searcher.tell(trials)
        standing.add(trials)
        entropy = getattr(searcher, "entropy", None)
        progress("search", len(recorder.known), budget, standing.describe(trials, entropy))

    named = {placement: name for name, placement in reversed(problem.space.named.items())}
    placements = list(dict.fromkeys(problem.space.named.values()))
    # All at once, unless they would race: then workers have something to share.
    joint = getattr(evaluator, "joint", False)
    for some in [[p] for p in placements] if joint else [placements]:
        for trial in recorder.evaluate(some, 0, len(some), [named[p] for p in some]):
            tell([trial])
    step = idle = 0
    while (ending := _ending(recorder, budget, step, steps, idle)) is None:
        step += 1
        before = len(recorder.known)
        proposals = searcher.ask(cohort, np.random.default_rng((seed, step)))
        tell(recorder.evaluate(proposals, step, budget - before))
        idle = idle + 1 if len(recorder.known) == before else 0
    return ending


def _ending(
    recorder: TrialRecorder, budget: int, step: int, steps: int | None, idle: int
) -> str | None:
    """Say why a search ends here, or None."""
    if len(recorder.known) >= budget:
        return "the budget is spent"
    if len(recorder.known) >= recorder.problem.space.size:
        return "every placement was evaluated"
    if steps is not None and step >= steps:
        return f"{steps} steps were taken"
    return f"nothing new was proposed in {idle} steps" if idle >= PATIENCE else None
