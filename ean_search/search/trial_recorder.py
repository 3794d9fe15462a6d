"""The recorder: it turns placements into trials, and logs each trial before it starts the next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from ean_search.core.objective import Problem
from ean_search.core.space import Placement, Space
from ean_search.core.trial import EvaluationResult, Status, Trial
from ean_search.search.evaluator import Evaluator, is_joint
from ean_search.search.trial_log import TrialLog
from ean_search.utils.errors import UserError

SYNC_AFTER_SECONDS = 1.0  # a result that took longer is flushed to the disk at once


def count_named(space: Space) -> int:
    """Return how many distinct placements have names: every search evaluates them first."""
    return len(set(space.named.values()))


@dataclass
class TrialRecorder:
    """Turns placements into trials; each placement is evaluated at most once.

    Attributes:
        problem: The space, the objective and the costs.
        evaluator: Measures the accuracy of placements.
        log: The trials so far, of which the first may come from an earlier process.
        known: The trials of this search by placement; those of the log join as they are asked for.
    """

    problem: Problem
    evaluator: Evaluator
    log: TrialLog
    known: dict[Placement, Trial] = field(default_factory=dict)

    def evaluate(
        self, placements: Sequence[Placement], step: int, max_new: int, notes: Sequence[str] = ()
    ) -> list[Trial]:
        """Return the trials of placements; evaluate those that are new.

        Placements that break a limit are not evaluated, except those with a note: the named
        placements are what all others are compared with.

        Args:
            placements: A cohort; it may contain known placements, and the same one twice.
            step: The search step, for new trials.
            max_new: The maximum number of evaluations; the other new placements get no trial.
            notes: One note per placement, or none.

        Returns:
            The trials in the order of the placements.

        Raises:
            UserError: If the log has another placement where a new one would be logged.
        """
        note_of = dict(zip(placements, notes, strict=False))
        new = [
            placement
            for placement in dict.fromkeys(placements)
            if placement not in self.known
            and (placement in note_of or self._is_feasible(placement))
        ][:max_new]
        self._evaluate_new(new, step, note_of)
        trials = [self._find_trial(placement, step) for placement in placements]
        return [trial for trial in trials if trial is not None]

    def evaluate_named(self) -> Iterator[Trial]:
        """Yield the trials of the placements that every run begins with."""
        named = self.problem.space.named
        names = {placement: name for name, placement in reversed(named.items())}
        placements = list(dict.fromkeys(named.values()))
        # All in one cohort, so that workers share them; but not if they would race each other.
        cohorts = [[p] for p in placements] if is_joint(self.evaluator) else [placements]
        for cohort in cohorts:
            yield from self.evaluate(cohort, 0, len(cohort), [names[p] for p in cohort])

    def _evaluate_new(
        self, new: Sequence[Placement], step: int, note_of: dict[Placement, str]
    ) -> None:
        logged = self.log.trials[len(self.known) : len(self.known) + len(new)]
        for placement, trial in zip(new, logged, strict=False):
            self._check_logged(trial, placement)
            self.known[placement] = trial
        missing = new[len(logged) :]
        if not missing:
            return
        results = self._measure(new, len(logged))
        for placement, result in zip(missing, results, strict=True):
            trial = self._make_trial(placement, result, step, note_of.get(placement, ""))
            self.log.append(trial, result.answers)
            self.known[placement] = trial
            if result.seconds > SYNC_AFTER_SECONDS:
                self.log.sync()
        self.log.sync()

    def _check_logged(self, trial: Trial, placement: Placement) -> None:
        if trial.placement != placement:
            raise UserError(
                f"{self.log.path}: trial {trial.number} is {trial.placement}, but this "
                f"search proposes {placement}: other settings, or another version, made it"
            )

    def _measure(self, new: Sequence[Placement], num_logged: int) -> Iterator[EvaluationResult]:
        """Evaluate the placements that are not logged; jointly with the logged ones if needed."""
        if is_joint(self.evaluator):
            return islice(self.evaluator.evaluate(new), num_logged, None)
        return self.evaluator.evaluate(new[num_logged:])

    def _make_trial(
        self, placement: Placement, result: EvaluationResult, step: int, note: str
    ) -> Trial:
        cost = self.problem.price(placement)
        status: Status = "stopped" if result.stopped else "done"
        if result.accuracy is None:
            status, reward = "failed", self.problem.penalty(cost)
        elif not self.problem.feasible(cost):
            status, reward = "infeasible", self.problem.penalty(cost)
        else:
            reward = self.problem.reward(result.accuracy, cost)
        return Trial(
            number=len(self.log.trials),
            step=step,
            placement=placement,
            status=status,
            accuracy=result.accuracy,
            reward=reward,
            cost=cost,
            seconds=round(result.seconds, 4),
            note=result.note or note,
            standard_error=result.standard_error,
        )

    def _find_trial(self, placement: Placement, step: int) -> Trial | None:
        """Return the known trial of a placement, or a trial without number if it breaks a limit."""
        cost = self.problem.price(placement)
        if placement in self.known or self.problem.feasible(cost):
            return self.known.get(placement)
        penalty = self.problem.penalty(cost)
        return Trial(-1, step, placement, "infeasible", None, penalty, cost, 0.0)

    def _is_feasible(self, placement: Placement) -> bool:
        return self.problem.feasible(self.problem.price(placement))
