"""One call on any network: the user's module, batches, loss and score."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from ean_search.analysis.run_folder import Run, load_run
from ean_search.core.attention_choice import OWN
from ean_search.data.datasets import DataSource
from ean_search.distributed.config import Workers
from ean_search.evaluation.module_score import ScoreFunction
from ean_search.networks.example import Example
from ean_search.networks.live import check_example, register_live
from ean_search.networks.site_table import live_space
from ean_search.runs.begin import begun_run
from ean_search.runs.change_budget import change_budget
from ean_search.runs.checks import check_search
from ean_search.runs.conditions import check_conditions
from ean_search.runs.experiment import Experiment, load_experiment
from ean_search.runs.found import Found
from ean_search.runs.module_run import ModuleRun
from ean_search.runs.new_folder import refuse_used
from ean_search.runs.plugins import check_plugins
from ean_search.runs.user_task import UserTask, reference_size
from ean_search.search.searchers.registry import DEFAULT_SEARCHER
from ean_search.training.fine_tune import FineTuning, LossFunction, MakeOptimizer
from ean_search.utils.config import parse_fields
from ean_search.utils.errors import UserError
from ean_search.utils.files import differences
from ean_search.utils.locks import only_writer
from ean_search.utils.progress import Progress, silent
from ean_search.utils.safe_paths import refuse_links
from ean_search.utils.tensorboard import log_scalars

MOVABLE = ("search.budget", "search.score.reference", "search.steps")  # when a search goes on

log = logging.getLogger(__name__)


def search_attention(
    model: nn.Module,
    example: Any,
    *,
    score: ScoreFunction,
    folder: Path | str,
    train: Iterable[Any] | None = None,
    loss: LossFunction | None = None,
    attention: Any = OWN,
    sites: str | Sequence[str] = (),
    position: str = "auto",
    limits: str = "",
    objective: str | None = None,
    budget: int = 64,
    searcher: str = DEFAULT_SEARCHER,
    score_name: str = "score",
    maximize: bool = True,
    score_range: tuple[float, float] | None = None,
    epochs: int | None = None,
    optimizer: MakeOptimizer | None = None,
    fine_tuning: FineTuning | None = None,
    seed: int = 0,
    cost_axis: str = "latency_ms",
    workers: Workers | None = None,
    progress: Progress = silent,
) -> Found:
    """Search which attention pays in a network, or which of its own can go.

    The search works on a copy: weights, buffers, gradients and modes of the module stay as they
    are. What stopped goes on by the same call with the same folder and module, and with a larger
    budget it goes further.

    Args:
        model: The network.
        example: What one forward pass takes: a tensor, a tuple of several arguments, a mapping of
            arguments by name, or another single argument, such as a list of images. Costs are
            those of this example.
        score: Gives the score of a network on held-out data: a number, or one number for each
            image or part of the data, whose mean is the score and whose spread is its error.
        folder: The folder of the search, which has the form of every run's.
        train: Gives batches, each time it is gone through, such as a `DataLoader`.
        loss: The loss of a network on a batch: `loss(model, batch)` gives a scalar, or several in a
            mapping or a sequence, which are added.
        attention: `own` for what the network has; or the name of a new attention, or several.
        sites: Patterns of the paths of modules, such as "backbone.*"; others are left alone.
        position: Where in blocks attention goes.
        limits: Bounds on costs, such as "latency < 0.9x, sites <= 8"; an x is a multiple of the
            network without the attention.
        objective: The reward, such as "box AP - 0.02 latency"; that with the weight 0.02 if None.
        budget: The number of placements to score.
        searcher: The search algorithm, with its options.
        score_name: What tables and pages call the score.
        maximize: Whether more is better.
        score_range: The lowest and the highest value, if they are known. Weights of costs are in
            shares of this range; without it, in shares of the score of the network as it is given.
        epochs: How often `train` is gone through for the fine-tuning of all placements together; 0:
            dropping is scored as it is. None: what `fine_tuning` says, or 0 without `train`.
        optimizer: A function that makes an optimizer of the weights that learn; None: AdamW.
        fine_tuning: How to fine-tune: what learns, the rate, clipping, mixed precision.
        seed: The seed of everything random.
        cost_axis: The cost against which the front is drawn.
        workers: Ray workers that score placements; None: this process does.
        progress: Receives reports.

    Returns:
        What was found: `network`, `front`, `pick`, `report`, `save`.

    Raises:
        UserError: If the module, the example, the loss, the score or a setting cannot work, or the
            folder holds another search; one line, before anything is trained.

    Example:
        >>> found = search_attention(model, images, score=score, folder="results/mine")
    """
    live = register_live(model, Example.of(example))
    check_example(live)
    space = live_space(live, attention, sites=sites, position=position)
    task = UserTask(live, score, train, loss, optimizer)
    tuning = task.settle(fine_tuning or FineTuning(), space, epochs)
    low, high = score_range or (None, None)
    search: dict[str, Any] = {"budget": budget, "limits": limits, "searcher": searcher}
    search["score"] = {"name": score_name, "maximize": maximize, "low": low, "high": high}
    search["objective"] = f"{score_name} - 0.02 latency" if objective is None else objective
    fields = {
        "space": space,
        "data": DataSource(name="loader"),
        "fine_tuning": tuning,
        "search": search,
        "seed": seed,
        "cost_axis": cost_axis,
        "device": live.device,
    }
    experiment = parse_fields(Experiment, fields, "search_attention")
    run = _open_folder(Path(folder), experiment, task)
    with only_writer(run.lock_file, str(run.path)):
        refuse_links(run.path)
        change_budget(run, budget)
        experiment = load_experiment(run.experiment_file, trust=run.trust)
        check_conditions(run, live.device, force=False)
        with log_scalars(run.tensorboard_folder, progress) as logged:
            stages = ModuleRun(run, experiment, task, workers, logged)
            stages.do_all()
            evaluator = stages.make_evaluator(stages.make_network())
    return Found(run, run.find("best"), evaluator.network, live, evaluator.calibration)


def _open_folder(path: Path, experiment: Experiment, task: UserTask) -> Run:
    """Return the run of a folder, which is the same search or a new one."""
    if Run(path).experiment_file.is_file():
        run = load_run(path)
        stored = load_experiment(run.experiment_file, trust=run.trust)
        _check_same(path, stored, experiment)
        return run
    refuse_used(Run(path))
    _check(experiment, task)
    measured = task.measure(experiment.search.score)
    _say_price(experiment, measured.seconds)
    reference = reference_size(measured.value)
    score = experiment.search.score.model_copy(update={"reference": reference})
    search = experiment.search.model_copy(update={"score": score})
    with begun_run(experiment.model_copy(update={"search": search}), path) as run:
        return run


def _check(experiment: Experiment, task: UserTask) -> None:
    """Check all that can be checked before anything is trained."""
    check_search(experiment)
    check_plugins(experiment)
    assert experiment.fine_tuning is not None
    task.check(experiment.space, experiment.fine_tuning)


def _check_same(path: Path, stored: Experiment, wanted: Experiment) -> None:
    """Refuse a folder of another module, or of other settings."""
    if stored.fine_tuning is None:
        raise UserError(f"{path} holds a run on a data set: take another folder")
    had_all, wanted_all = (each.model_dump(mode="json") for each in (stored, wanted))
    for field, had, wants in differences(had_all, wanted_all, MOVABLE):
        what = "is that of another module" if field == "space.backbone" else "has other settings"
        raise UserError(f"{path} {what}: {field} was {had!r}, not {wants!r}; take another folder")


def _say_price(experiment: Experiment, seconds: float) -> None:
    """Say once what a search costs: placements are scored one after another."""
    count = min(experiment.search.budget, experiment.space.size)
    log.info(
        "placements are scored one by one, because the score is a function of the whole network: "
        "%.3g s for each, some %.3g minutes for %d",
        *(seconds, seconds * count / 60, count),
    )
