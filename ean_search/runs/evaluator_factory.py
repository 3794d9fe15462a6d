"""Makes the evaluators that an experiment asks for, in this process or with Ray workers.

Without workers nothing here imports ray.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from ean_search.analysis.run_folder import Run
from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult
from ean_search.data.datasets import Data
from ean_search.data.splits import cache_on_device
from ean_search.distributed.config import Workers
from ean_search.evaluation.racing import RacingEvaluator, RacingRule
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.evaluation.standalone import StandaloneEvaluator
from ean_search.networks.builder import build
from ean_search.runs.experiment import Experiment
from ean_search.search.evaluator import Evaluator
from ean_search.training.supernet import train_supernet
from ean_search.training.trainer import Trainer, TrainingContext, fit
from ean_search.utils.progress import Progress

CALIBRATION = (0,)  # seed of the order in which images for calibration are drawn


@dataclass(frozen=True)
class FinalEvaluator:
    """What conclusions are drawn with: a network to prune, and results without races."""

    network: nn.Module
    device: str
    evaluate: Callable[[Sequence[Placement]], Iterator[EvaluationResult]]


def resolve_workers(workers: Workers | None, device: str) -> Workers | None:
    """Give workers their GPUs; on a machine with several, there is one for each by default."""
    count = torch.cuda.device_count() if device.startswith("cuda") else 0
    if workers is None:
        several = device == "cuda" and count > 1
        return Workers(count=count, gpus=1.0) if several else None
    if workers.gpus is not None or not count:
        return workers
    return workers.model_copy(update={"gpus": min(1.0, count / workers.count)})


def make_shared(
    run: Run, experiment: Experiment, data: Data, workers: Workers | None, progress: Progress
) -> SharedWeightsEvaluator:
    """Train the weight-sharing network, if that was not done before, and evaluate with it."""
    network = build(experiment.space, data.classes, experiment.seed)
    train_supernet(
        network,
        experiment.space,
        data.train,
        experiment.supernet,
        run.supernet_file,
        TrainingContext(seed=experiment.seed, device=experiment.device, progress=progress),
        find_trainer(experiment, run.path, workers),
    )
    return SharedWeightsEvaluator(
        network,
        cache_on_device(data.search, data.image_size, experiment.device),
        experiment.eval_batch,
        experiment.device,
        calibration_images(data, experiment.recalibrate),
        precision=experiment.evaluation,
    )


def find_trainer(experiment: Experiment, folder: Path, workers: Workers | None = None) -> Trainer:
    """Return what trains a network: this process, or as many as the experiment says."""
    if experiment.train_workers == 1:
        return fit
    from ean_search.distributed.ddp import fit_distributed

    team = (workers or Workers()).model_copy(
        update={
            "count": experiment.train_workers,
            "gpus": 1.0 if experiment.device.startswith("cuda") else 0.0,
        }
    )
    return partial(fit_distributed, workers=team, folder=folder)


def make_standalone(
    run: Run, experiment: Experiment, data: Data, progress: Progress
) -> StandaloneEvaluator:
    """Train placements each on its own, for the experiment's short schedule."""
    return StandaloneEvaluator(
        experiment.space,
        data.classes,
        data.train,
        data.search,
        experiment.standalone,
        run.checkpoints_folder,
        experiment.seed,
        experiment.eval_batch,
        experiment.device,
        progress,
    )


def search_with(
    plain: SharedWeightsEvaluator | StandaloneEvaluator,
    experiment: Experiment,
    problem: Problem,
    workers: Workers | None,
    folder: Path,
    done: int,
) -> AbstractContextManager[Evaluator]:
    """Give the evaluator of a search; workers are let go with the block."""
    if isinstance(plain, StandaloneEvaluator):
        return train_with(plain, workers, folder, experiment.search.scheduler, done=done)
    race = RacingRule(partial(_value, problem)) if experiment.search.racing else None
    if workers is None:
        return nullcontext(plain if race is None else RacingEvaluator(plain, race))
    from ean_search.distributed.jobs import SharedJob
    from ean_search.distributed.ray_evaluator import RayEvaluator

    job = SharedJob.of(plain, workers.gpus or 1.0, race)
    return RayEvaluator(job, problem.space, workers, folder, done=done)


def train_with(
    plain: StandaloneEvaluator,
    workers: Workers | None,
    folder: Path,
    scheduler: str = "fifo",
    *,
    name: str = "tune",
    done: int = 0,
) -> AbstractContextManager[Evaluator]:
    """Give an evaluator that trains placements stand-alone; without workers none stops early."""
    if workers is None:
        return nullcontext(plain)
    from ean_search.distributed.jobs import TrainingJob
    from ean_search.distributed.ray_evaluator import RayEvaluator

    job = TrainingJob.of(plain)
    return RayEvaluator(
        job, plain.space, workers, folder, scheduler=scheduler, name=name, done=done
    )


@contextmanager
def judge_with(
    plain: SharedWeightsEvaluator | StandaloneEvaluator, workers: Workers | None, folder: Path
) -> Iterator[FinalEvaluator]:
    """Give what conclusions are drawn with; only trainings are worth workers."""
    if isinstance(plain, SharedWeightsEvaluator) or workers is None:
        yield FinalEvaluator(plain.network, plain.device, plain.evaluate)
        return
    with train_with(plain, workers, folder, name="comparison") as trainer:
        yield FinalEvaluator(plain.network, plain.device, trainer.evaluate)


def calibration_images(data: Data, count: int) -> torch.Tensor | None:
    """Take the images that set norm statistics: random ones, as training shows them.

    In their own order they may well be of one class.
    """
    if not count:
        return None
    images, _ = next(iter(data.train.batches(count, shuffle=CALIBRATION)))
    return images


def _value(problem: Problem, placement: Placement) -> float:
    """Return what a placement's cost adds to its reward."""
    return problem.reward(0.0, problem.price(placement))
