"""How a run's winners do on images that had no part in choosing them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from ean_search.analysis.paired import PairedDifference, compare_answers
from ean_search.analysis.run_folder import Run
from ean_search.analysis.significance import standard_error
from ean_search.core.answers import Answers
from ean_search.core.objective import Problem
from ean_search.core.space import Placement, Space
from ean_search.core.trial import EvaluationResult
from ean_search.runs.final_evaluator import FinalEvaluator
from ean_search.search.answer_log import append_answers
from ean_search.utils.errors import UserError
from ean_search.utils.progress import Progress

RANDOM_PLACEMENTS = 5  # that show what chance reaches at the winner's number of attachments
DRAWS_PER_PLACEMENT = 20  # before random placements count as exhausted
WINNERS = ("best", "knee", "none", "all")


@dataclass(frozen=True)
class Judgement:
    """Accuracies of placements, and the answers behind them where the evaluator gives them.

    Attributes:
        images: The number of images; 0: not known.
        accuracies: In [0, 1], or the worth of another score.
        errors: Their standard errors; None where nothing tells them.
        answers: What accuracies are means of, if they are.
    """

    images: int
    accuracies: Mapping[Placement, float]
    errors: Mapping[Placement, float | None]
    answers: Mapping[Placement, Answers]

    def difference(self, one: Placement, others: Sequence[Placement]) -> PairedDifference | None:
        """Compare a placement with the mean of others; None without answers."""
        if not all(placement in self.answers for placement in (one, *others)):
            return None
        right = np.stack([self.answers[placement].right for placement in others])
        return compare_answers(self.answers[one].right, right)


def judge_placements(
    run: Run, evaluator: FinalEvaluator, placements: Sequence[Placement], progress: Progress
) -> Judgement:
    """Evaluate placements on the images that judge, and keep their answers in the run's folder.

    Raises:
        UserError: If one of them cannot be evaluated.
    """
    run.judged_file.unlink(missing_ok=True)
    accuracies, errors, answers = {}, {}, {}
    for placement, result in zip(placements, evaluator.evaluate(placements), strict=True):
        if result.accuracy is None:
            raise UserError(f"{placement} cannot be compared with the winners: {result.note}")
        accuracies[placement] = result.accuracy
        errors[placement] = _error_of(result, evaluator.images)
        if result.answers is not None:
            answers[placement] = result.answers
            append_answers(run.judged_file, placement, result.answers)
        progress("comparison", len(accuracies), len(placements))
    return Judgement(evaluator.images, accuracies, errors, answers)


def _error_of(result: EvaluationResult, images: int) -> float | None:
    """Return the standard error of an accuracy; None if nothing tells it."""
    if result.standard_error is not None or not images or result.accuracy is None:
        return result.standard_error
    return standard_error(result.accuracy, images)


def find_winners(run: Run) -> dict[str, Placement]:
    """Return the placements that a run compares, by name."""
    return {name: run.find(name) for name in WINNERS}


def draw_random(space: Space, best: Placement, seed: int) -> list[Placement]:
    """Draw other placements with as many attachments as the best one; itself if there are none."""
    rng, drawn = np.random.default_rng((seed, 0)), {best: None}
    for _ in range(DRAWS_PER_PLACEMENT * RANDOM_PLACEMENTS):
        if len(drawn) <= RANDOM_PLACEMENTS:
            drawn.setdefault(space.sample(rng, attached=best.attached))
    return list(drawn)[1:] or [best]


def compare_winners(
    run: Run, problem: Problem, judgement: Judgement, random: Sequence[Placement]
) -> dict[str, Any]:
    """Compare the best placement with the other winners and with random placements."""
    named = find_winners(run)
    searched = {trial.placement: trial.accuracy for trial in run.read_trials()}
    rows = {
        name: _named_row(problem, placement, judgement)
        | {"search_accuracy": searched.get(placement)}
        | _difference_fields(judgement, named["best"], [placement])
        for name, placement in named.items()
    }
    row = _random_row(problem, random, [judgement.accuracies[p] for p in random])
    return rows | {"random": row | _difference_fields(judgement, named["best"], random)}


def judge_front(run: Run, front: pd.DataFrame, judgement: Judgement) -> pd.DataFrame:
    """Add to a front how its members do on the images that judge.

    Args:
        run: The run.
        front: Its front, cheapest first.
        judgement: Knows all members.

    Returns:
        The front with `judged_accuracy` and its standard error `judged_error`, and the gain over
        the cheaper member before with its 95 % interval; `told_apart` says whether that is above 0.
    """
    placements = [run.find(text) for text in front.placement]
    gains = [judgement.difference(p, [q]) for p, q in zip(placements[1:], placements, strict=False)]
    accuracies = [judgement.accuracies[placement] for placement in placements]
    errors = pd.Series([judgement.errors[p] for p in placements], front.index, dtype=float)
    judged = front.assign(judged_accuracy=accuracies, judged_error=errors)
    for field in ("difference", "low", "high"):
        values = [getattr(gain, field) if gain else float("nan") for gain in gains]
        judged[f"gain_{field}" if field != "difference" else "gain"] = [float("nan"), *values]
    judged["told_apart"] = [True, *(gain is None or gain.low > 0 for gain in gains)]
    return judged


def _difference_fields(
    judgement: Judgement, best: Placement, others: Sequence[Placement]
) -> dict[str, Any]:
    difference = None if list(others) == [best] else judgement.difference(best, others)
    return {} if difference is None else {"best_minus_this": asdict(difference)}


def _named_row(problem: Problem, placement: Placement, judgement: Judgement) -> dict[str, Any]:
    cost, accuracy = problem.price(placement), judgement.accuracies[placement]
    return {
        "placement": str(placement),
        "accuracy": accuracy,
        "standard_error": judgement.errors[placement],
        "reward": problem.reward(accuracy, cost),
        "sites": placement.attached,
        "latency_ms": cost.latency_ms,
    }


def _random_row(
    problem: Problem, placements: Sequence[Placement], accuracies: Sequence[float]
) -> dict[str, Any]:
    """Describe random placements by the means of what they reach and cost."""
    return {
        "placements": [str(placement) for placement in placements],
        "accuracy": float(np.mean(accuracies)),
        "deviation": float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else 0.0,
        "sites": placements[0].attached,
        "latency_ms": float(np.mean([problem.price(p).latency_ms for p in placements])),
    }
