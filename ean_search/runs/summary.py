"""What a search found: the front, the best placement, the knee, and how they compare.

The winners are compared with `none`, `all` and random placements of the same count, all on images
that had no part in choosing them, and the front's latencies are measured on pruned networks.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ean_search.analysis.caveats import caveats, is_conclusive, more_accurate_trials
from ean_search.analysis.matplotlib_figures import save_figure
from ean_search.analysis.run_folder import Run
from ean_search.analysis.run_pictures import front_picture
from ean_search.analysis.score_names import with_score_names
from ean_search.analysis.significance import difference_error, judge
from ean_search.core.live_names import is_live
from ean_search.core.objective import Problem
from ean_search.core.pareto import front_hypervolume
from ean_search.runs.experiment import Experiment
from ean_search.runs.final_evaluator import FinalEvaluator
from ean_search.runs.front_latency import measure_front
from ean_search.runs.judging import (
    Judgement,
    compare_winners,
    draw_random,
    find_winners,
    judge_front,
    judge_placements,
)
from ean_search.utils.errors import UserError
from ean_search.utils.files import RESULTS_ROOT, save_csv, save_json
from ean_search.utils.progress import Progress

LONGER_TRAINING = 4  # times as many epochs, if the run's were too few to tell anything


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
    front, winners = measured.front(), find_winners(run)
    random = draw_random(problem.space, winners["best"], experiment.seed)
    members = [run.find(text) for text in front.placement] if evaluator.judges_apart else []
    compared = list(dict.fromkeys([*winners.values(), *random, *members]))
    judgement = judge_placements(run, evaluator, compared, progress)
    if evaluator.judges_apart:
        front = judge_front(run, front, judgement)
    save_csv(with_score_names(front, run.score), run.front_table)
    summary = _settings(run, experiment, ending, evaluator)
    summary |= {"comparison": compare_winners(run, problem, judgement, random)}
    summary |= {"verified": _verified(run), "front": _plain_rows(front)}
    summary |= {"latency": measured.describe()}
    summary |= _judgement(frame, _gains(run, front, judgement), classes, evaluator)
    following = next_commands(run, is_conclusive(summary), measured.recommended())
    summary |= {"notes": caveats(summary), "next": following}
    save_json(summary, run.summary_file)
    save_figure(front_picture(run, frame, front, evaluator.search_images), run.front_picture)


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
    gains: dict[str, tuple[float, float]],
    classes: int | None,
    evaluator: FinalEvaluator,
) -> dict[str, Any]:
    """Judge what the accuracies can say, and find what is more accurate than the best reward."""
    done = trials[trials.status == "done"]
    better = more_accurate_trials(trials, done.accuracy.iloc[done.reward.argmax()])
    if classes is None:
        return {"more_accurate": better}
    evaluated = trials[trials.status.isin(("done", "infeasible")) & trials.accuracy.notna()]
    judged = judge(
        evaluated.accuracy.tolist(),
        gains,
        classes=classes,
        images=evaluator.search_images,
        paired=evaluator.judges_apart,
    )
    return {"significance": judged.to_fields(), "more_accurate": better}


def _gains(run: Run, front: pd.DataFrame, judgement: Judgement) -> dict[str, tuple[float, float]]:
    """Return what the front's members gain over `none`, and the standard errors of that.

    They are of the images that judge, if members were judged; otherwise of the search, and errors
    take the accuracies for independent.
    """
    none, gains = run.find("none"), {}
    plain = judgement.accuracies[none]
    for text, accuracy in zip(front.placement, front.accuracy, strict=True):
        placement = run.find(text)
        paired = judgement.difference(placement, [none])
        if placement == none:
            continue
        if paired is not None and "judged_accuracy" in front:
            gains[text] = paired.difference, paired.standard_error
        elif judgement.images:
            gains[text] = accuracy - plain, difference_error(accuracy, plain, judgement.images)
    return gains


def _plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows as JSON has them: nothing where the frame has NaN."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _settings(
    run: Run, experiment: Experiment, ending: str, evaluator: FinalEvaluator
) -> dict[str, Any]:
    """Describe what was searched, how the search ended, and how good its front is."""
    frame = run.frame()
    return {
        "space": run.space.name,
        "ending": ending,
        "trials": len(frame),
        "search_images": evaluator.search_images,
        "judge_images": evaluator.images,
        "judged_apart": evaluator.judges_apart,
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
