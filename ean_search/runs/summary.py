"""What a search found: the front, the best, the knee, and how they compare.

The winners are compared with `none`, `all` and random placements of the same count, all evaluated
once more in the same way, and the front's latencies are measured on pruned networks.
"""

from typing import Any

import numpy as np
import pandas as pd

from ean_search.analysis.matplotlib_figures import save_figure
from ean_search.analysis.run_folder import Run
from ean_search.analysis.run_pictures import front_picture, standard_error
from ean_search.core.objective import Problem
from ean_search.core.pareto import front_hypervolume
from ean_search.core.space import Placement
from ean_search.costs.measure import measure_latency
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.networks.builder import prune
from ean_search.runs.experiment import Experiment
from ean_search.utils.errors import UserError
from ean_search.utils.files import save_json
from ean_search.utils.progress import Progress

RANDOM = 5  # placements that stand for chance at the winner's count


def conclude(
    run: Run,
    experiment: Experiment,
    problem: Problem,
    evaluator: SharedWeightsEvaluator,
    images: int,
    ending: str,
    progress: Progress,
) -> None:
    """Write a run's front, summary and picture."""
    frame = run.frame()
    if not (frame.status == "done").any():
        where = run.trials_file
        raise UserError(f"no placement of {where} is within the limits: loosen --budget-cost")
    front = _front_with_latency(run, problem, evaluator, progress)
    front.to_csv(run.front_table, index=False)
    best, middle = run.find("best"), run.find("knee")
    chosen = {"best": best, "knee": middle, "none": run.find("none"), "all": run.find("all")}
    rng = np.random.default_rng((experiment.seed, 0))
    random = [problem.space.sample(rng, attached=best.attached) for _ in range(RANDOM)]
    save_json(
        {
            "space": problem.space.name,
            "ending": ending,
            "trials": len(frame),
            "search_images": images,
            "objective": experiment.search.objective,
            "limits": experiment.search.limits,
            "cost_axis": run.cost_axis,
            "hypervolume": front_hypervolume(frame[frame.status == "done"], run.cost_axis),
            "comparison": _compare(problem, evaluator, images, chosen, random, progress),
            "verified": _verified(run),
            "front": front.to_dict("records"),
            "next": next_commands(run),
        },
        run.summary_file,
    )
    save_figure(front_picture(run, frame, front, images), run.front_picture)


def next_commands(run: Run) -> list[str]:
    """List what to type after a run."""
    names = ("verified", "knee") if run.verified_file.is_file() else ("best", "knee")
    retrain = [f"ean-search retrain {run.path} --placement {name}" for name in names]
    return [f"ean-search report {run.path}", *retrain]


def _front_with_latency(
    run: Run, problem: Problem, evaluator: SharedWeightsEvaluator, progress: Progress
) -> pd.DataFrame:
    """Return the front with a column of latencies measured on the pruned networks."""
    front = run.front()
    none = str(run.find("none"))
    names = dict.fromkeys([none, *front.placement])
    progress("latency of the front", 0, 1)
    networks = {name: prune(evaluator.network, run.find(name)) for name in names}
    measured = measure_latency(networks, run.read_costs(), evaluator.device)
    progress("latency of the front", 1, 1)
    front["latency_measured_ms"] = [measured[placement] for placement in front.placement]
    front["latency_measured_x"] = front.latency_measured_ms / measured[none]
    return front[[c for c in front.columns if not c.startswith("site") or c == "sites"]]


def _verified(run: Run) -> list[dict[str, Any]]:
    """Rank what was trained stand-alone, beside what the search made of it."""
    if not run.verified_file.is_file():
        return []
    found = {trial.placement: trial.accuracy for trial in run.read_trials()}
    return [
        {
            "placement": str(trial.placement),
            "accuracy": trial.accuracy,
            "reward": trial.reward,
            "search_accuracy": found[trial.placement],
            "sites": trial.cost.sites,
            "latency_ms": trial.cost.latency_ms,
            "note": trial.note,
        }
        for trial in run.read_verified()
    ]


def _compare(
    problem: Problem,
    evaluator: SharedWeightsEvaluator,
    images: int,
    chosen: dict[str, Placement],
    random: list[Placement],
    progress: Progress,
) -> dict[str, Any]:
    """Evaluate the chosen and the random placements once more, all in the same way."""
    placements = list(dict.fromkeys([*chosen.values(), *random]))
    accuracy: dict[Placement, float] = {}
    for placement, measured in zip(placements, evaluator.evaluate(placements), strict=True):
        accuracy[placement] = measured.accuracy
        progress("comparison", len(accuracy), len(placements))
    rows = {
        name: {
            "placement": str(placement),
            "accuracy": accuracy[placement],
            "standard_error": standard_error(accuracy[placement], images),
            "reward": problem.reward(accuracy[placement], problem.price(placement)),
            "sites": placement.attached,
            "latency_ms": problem.price(placement).latency_ms,
        }
        for name, placement in chosen.items()
    }
    values = [accuracy[placement] for placement in random]
    rows["random"] = {
        "placements": [str(placement) for placement in random],
        "accuracy": float(np.mean(values)),
        "deviation": float(np.std(values, ddof=1)),
        "sites": chosen["best"].attached,
        "latency_ms": float(np.mean([problem.price(p).latency_ms for p in random])),
    }
    return rows
