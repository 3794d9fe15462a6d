"""Turns placements into trials: each is evaluated once, priced, and logged before the next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult, Status, Trial
from ean_search.search.evaluator import Evaluator, is_joint
from ean_search.search.trial_log import TrialLog
from ean_search.utils.errors import UserError

SYNC_AFTER_SECONDS = 1.0  # of work that a power cut may cost


@dataclass
class TrialRecorder:
    """Turns placements into trials, evaluating each only once."""

    problem: Problem
    evaluator: Evaluator
    log: TrialLog
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

    def evaluate_named(self) -> Iterator[Trial]:
        """Yield the trials of the placements that every run begins with."""
        named = self.problem.space.named
        names = {placement: name for name, placement in reversed(named.items())}
        placements = list(dict.fromkeys(named.values()))
        # All at once, unless they would race: then workers have something to share.
        for part in [[p] for p in placements] if is_joint(self.evaluator) else [placements]:
            yield from self.evaluate(part, 0, len(part), [names[p] for p in part])

    def _evaluate(self, new: Sequence[Placement], step: int, note: dict[Placement, str]) -> None:
        stored = self.log.trials[len(self.known) : len(self.known) + len(new)]
        for placement, trial in zip(new, stored, strict=False):
            if trial.placement != placement:
                raise UserError(
                    f"{self.log.path}: trial {trial.number} is {trial.placement}, but this "
                    f"search proposes {placement}: other settings, or another version, made it"
                )
            self.known[trial.placement] = trial
        rest = new[len(stored) :]
        measurements = self._measure(new, len(stored)) if rest else iter(())
        for placement, measured in zip(rest, measurements, strict=True):
            trial = self._judge(placement, measured, step, note.get(placement, ""))
            self.log.append(trial)
            self.known[trial.placement] = trial
            if measured.seconds > SYNC_AFTER_SECONDS:
                self.log.sync()
        if rest:
            self.log.sync()

    def _measure(self, new: Sequence[Placement], stored: int) -> Iterator[EvaluationResult]:
        """Evaluate what is not stored, with those that are where members depend on each other."""
        if is_joint(self.evaluator):
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
            number=len(self.log.trials),
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
