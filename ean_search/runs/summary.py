"""What a search found: the front, the best placement, the knee, and how they compare.

The winners are compared with `none`, `all` and random placements of the same count, all evaluated
once more in the same way, and the front's latencies are measured on pruned networks.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ean_search.analysis.caveats import caveats, is_conclusive, more_accurate_trials
from ean_search.analysis.matplotlib_figures import save_figure
from ean_search.analysis.run_folder import Run
from ean_search.analysis.run_pictures import front_picture
from ean_search.analysis.score_names import with_score_names
from ean_search.analysis.significance import judge, standard_error
from ean_search.core.live_names import is_live
from ean_search.core.objective import Problem
from ean_search.core.pareto import front_hypervolume
from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult
from ean_search.runs.experiment import Experiment
from ean_search.runs.final_evaluator import FinalEvaluator
from ean_search.runs.front_latency import measure_front
from ean_search.utils.errors import UserError
from ean_search.utils.files import RESULTS_ROOT, save_csv, save_json
from ean_search.utils.progress import Progress

LONGER_TRAINING = 4  # times as many epochs, if the run's were too few to tell anything
RANDOM_PLACEMENTS = 5  # that show what chance reaches at the winner's number of attachments


def conclude(
    run: Run,
    experiment: Experiment,
    problem: Problem,
    evaluator: FinalEvaluator,
    ending: str,
    progress: Progress,
    *,
    classes: int | None,
) -> None:
    """Write a run's front, summary and picture.

    Args:
        run: The run, whose search has ended.
        experiment: The run's experiment.
        problem: The space, the objective and the costs.
        evaluator: Evaluates the compared placements.
        ending: Why the search ended.
        progress: Receives reports.
        classes: The number of classes of the data; None: the score is no accuracy.

    Raises:
        UserError: If no trial keeps the limits, or a compared placement cannot be evaluated.
    """
    frame = run.frame()
    if not (frame.status == "done").any():
        where = run.trials_file
        raise UserError(f"no placement of {where} is within the limits: loosen --budget-cost")
    measured = measure_front(run, problem, evaluator, progress)
    front = measured.front()
    save_csv(with_score_names(front, run.score), run.front_table)
    comparison = _compare(run, experiment.seed, problem, evaluator, progress)
    measurements = {"comparison": comparison, "verified": _verified(run)}
    summary = _settings(run, experiment, ending, evaluator.images) | measurements
    summary |= {"front": front.to_dict("records"), "latency": measured.describe()}
    summary |= _judgement(frame, front, comparison["none"], classes, evaluator.images)
    following = next_commands(run, is_conclusive(summary), measured.recommended())
    summary |= {"notes": caveats(summary), "next": following}
    save_json(summary, run.summary_file)
    save_figure(front_picture(run, frame, front, evaluator.images), run.front_picture)


def next_commands(
    run: Run, conclusive: bool = True, names: Sequence[str] | None = None
) -> list[str]:
    """List the commands that a user may want after a run.

    Args:
        run: The run.
        conclusive: Whether its winners are worth retraining.
        names: The winners; `best` or `verified`, and `knee`, if None.
    """
    if is_live(run.space.backbone):  # the rest is done in Python
        return [
            f"ean-search report {run.path}",
            f'ean-search pick {run.path} --budget-cost "latency < 0.95x"',
        ]
    if not conclusive:
        return [f"ean-search report {run.path}", _longer_training(run)]
    if names is None:
        names = ("verified", "knee") if run.verified_file.is_file() else ("best", "knee")
    retrain = [f"ean-search retrain {run.path} --placement {name}" for name in names]
    return [f"ean-search report {run.path}", *retrain]


def _longer_training(run: Run) -> str:
    """Return the command that does the same run with a longer training."""
    fields = run.fields
    command = f"ean-search run --experiment {run.experiment_file}{_results_flag(run)}"
    if fields["search"]["evaluator"] == "standalone":
        epochs = LONGER_TRAINING * fields["standalone"]["epochs"]
        return f"{command} --set standalone.epochs={epochs}"
    again = " --set supernet.weights=null" if fields["supernet"].get("weights") else ""
    return f"{command} --epochs {LONGER_TRAINING * fields['supernet']['recipe']['epochs']}{again}"


def _results_flag(run: Run) -> str:
    """Return the flag that puts another run beside this one; empty where the default does."""
    folder = run.path.parent
    root = folder.parent if folder.name == run.space.name else folder  # from Python: any folder
    return "" if root.resolve() == RESULTS_ROOT.resolve() else f" --results {root}"


def _judgement(
    trials: pd.DataFrame,
    front: pd.DataFrame,
    none: dict[str, Any],
    classes: int | None,
    images: int,
) -> dict[str, Any]:
    """Judge what the accuracies can say, and find what is more accurate than the best reward."""
    done = trials[trials.status == "done"]
    better = more_accurate_trials(trials, done.accuracy.iloc[done.reward.argmax()])
    if classes is None:
        return {"more_accurate": better}
    evaluated = trials[trials.status.isin(("done", "infeasible")) & trials.accuracy.notna()]
    judged = judge(
        evaluated.accuracy.tolist(),
        dict(zip(front.placement, front.accuracy, strict=True)),
        (none["placement"], none["accuracy"]),
        classes=classes,
        images=images,
    )
    return {"significance": judged.to_fields(), "more_accurate": better}


def _settings(run: Run, experiment: Experiment, ending: str, images: int) -> dict[str, Any]:
    """Describe what was searched, how the search ended, and how good its front is."""
    frame = run.frame()
    return {
        "space": run.space.name,
        "ending": ending,
        "trials": len(frame),
        "search_images": images,
        "score": run.score.model_dump(),
        "objective": experiment.search.objective,
        "limits": experiment.search.limits,
        "cost_axis": run.cost_axis,
        "hypervolume": front_hypervolume(frame[frame.status == "done"], run.cost_axis),
    }


def _verified(run: Run) -> list[dict[str, Any]]:
    """Rank the placements that were trained stand-alone, with the accuracies of the search."""
    if not run.verified_file.is_file():
        return []
    search_accuracy = {trial.placement: trial.accuracy for trial in run.read_trials()}
    return [
        {
            "placement": str(trial.placement),
            "accuracy": trial.accuracy,
            "reward": trial.reward,
            "search_accuracy": search_accuracy[trial.placement],
            "sites": trial.cost.sites,
            "latency_ms": trial.cost.latency_ms,
            "note": trial.note,
        }
        for trial in run.read_verified()
    ]


def _compare(
    run: Run, seed: int, problem: Problem, evaluator: FinalEvaluator, progress: Progress
) -> dict[str, Any]:
    """Evaluate the winners, `none`, `all` and random placements, all in the same way."""
    named = {name: run.find(name) for name in ("best", "knee", "none", "all")}
    rng, attached = np.random.default_rng((seed, 0)), named["best"].attached
    random = [problem.space.sample(rng, attached=attached) for _ in range(RANDOM_PLACEMENTS)]
    placements = list(dict.fromkeys([*named.values(), *random]))
    results = _evaluate(evaluator, placements, progress)
    rows = {
        name: _named_row(problem, placement, *_with_error(results[placement], evaluator.images))
        for name, placement in named.items()
    }
    accuracies = [_with_error(results[placement], 0)[0] for placement in random]
    return rows | {"random": _random_row(problem, random, accuracies)}


def _with_error(result: EvaluationResult, images: int) -> tuple[float, float | None]:
    """Return an accuracy with its standard error, which is None if nothing tells it."""
    assert result.accuracy is not None, "it was refused before"
    if result.standard_error is not None or not images:
        return result.accuracy, result.standard_error
    return result.accuracy, standard_error(result.accuracy, images)


def _evaluate(
    evaluator: FinalEvaluator, placements: list[Placement], progress: Progress
) -> dict[Placement, EvaluationResult]:
    results: dict[Placement, EvaluationResult] = {}
    for placement, result in zip(placements, evaluator.evaluate(placements), strict=True):
        if result.accuracy is None:
            raise UserError(f"{placement} cannot be compared with the winners: {result.note}")
        results[placement] = result
        progress("comparison", len(results), len(placements))
    return results


def _named_row(
    problem: Problem, placement: Placement, accuracy: float, error: float | None
) -> dict[str, Any]:
    cost = problem.price(placement)
    return {
        "placement": str(placement),
        "accuracy": accuracy,
        "standard_error": error,
        "reward": problem.reward(accuracy, cost),
        "sites": placement.attached,
        "latency_ms": cost.latency_ms,
    }


def _random_row(
    problem: Problem, placements: list[Placement], accuracies: list[float]
) -> dict[str, Any]:
    """Describe random placements by the means of what they reach and cost."""
    return {
        "placements": [str(placement) for placement in placements],
        "accuracy": float(np.mean(accuracies)),
        "deviation": float(np.std(accuracies, ddof=1)),
        "sites": placements[0].attached,
        "latency_ms": float(np.mean([problem.price(p).latency_ms for p in placements])),
    }
