"""Makes the evaluators that an experiment asks for, in this process or with Ray workers.

Ray is imported only when there are workers.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

import torch

from ean_search.analysis.run_folder import Run
from ean_search.core.objective import Problem
from ean_search.core.space import Placement
from ean_search.data.datasets import Data
from ean_search.data.search_images import cache_on_device
from ean_search.distributed.config import Workers
from ean_search.evaluation.racing import RacingEvaluator, RacingRule
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.evaluation.standalone import StandaloneEvaluator
from ean_search.networks.pretrained import build_on
from ean_search.runs.experiment import Experiment
from ean_search.runs.pretrained_start import backbone_weights, pretrained_backbone
from ean_search.search.evaluator import Evaluator
from ean_search.training.supernet import train_supernet
from ean_search.training.trainer import Trainer, TrainingContext, fit
from ean_search.utils.progress import Progress

CALIBRATION_SHUFFLE_SEED = (0,)  # of the order in which calibration images are drawn

LocalEvaluator = SharedWeightsEvaluator | StandaloneEvaluator  # evaluates in this process


def choose_workers(workers: Workers | None, device: str) -> Workers | None:
    """Give workers their share of the GPUs.

    Args:
        workers: The workers that the user asked for, if any.
        device: The device of the run, such as "cpu", "cuda" or "cuda:1".

    Returns:
        The workers with their GPUs; one per GPU if the user asked for none and the device is
        "cuda" on a machine with several GPUs; otherwise None, which means this process.
    """
    gpu_count = torch.cuda.device_count() if device.startswith("cuda") else 0
    if workers is None:
        several = device == "cuda" and gpu_count > 1
        return Workers(count=gpu_count, gpus=1.0) if several else None
    if workers.gpus is not None or not gpu_count:
        return workers
    on_each = math.ceil(workers.count / gpu_count)  # a share of 3/8 would leave room for 2 only
    return workers.model_copy(update={"gpus": 1 / on_each})


def make_shared_evaluator(
    run: Run, experiment: Experiment, data: Data, workers: Workers | None, progress: Progress
) -> SharedWeightsEvaluator:
    """Make an evaluator with shared weights; train the weight-sharing network if necessary.

    The run's folder keeps the weights. `workers` are the resources of each training process.
    """
    trained = run.supernet_file.is_file()
    teacher = None if trained else pretrained_backbone(experiment, data, progress)
    weights = backbone_weights(teacher)
    network = build_on(experiment.space, data.classes, experiment.seed, weights)
    train_supernet(
        network,
        experiment.space,
        data.train,
        experiment.supernet,
        run.supernet_file,
        TrainingContext(
            seed=experiment.seed, device=experiment.device, progress=progress, teacher=teacher
        ),
        choose_trainer(experiment, run.path, workers),
    )
    return SharedWeightsEvaluator(
        network,
        cache_on_device(data.search, data.image_size, experiment.device),
        experiment.eval_batch,
        experiment.device,
        calibration_images(data, experiment.recalibrate),
        precision=experiment.evaluation,
    )


def choose_trainer(experiment: Experiment, folder: Path, workers: Workers | None = None) -> Trainer:
    """Return the function that trains a network, in one process or in several.

    Args:
        experiment: Says how many processes share each batch, and on which device.
        folder: Where the processes keep their files.
        workers: The resources of each process, the defaults if None.
    """
    if experiment.train_workers == 1:
        return fit
    from ean_search.distributed.ddp import fit_distributed

    group = (workers or Workers()).model_copy(
        update={
            "count": experiment.train_workers,
            "gpus": 1.0 if experiment.device.startswith("cuda") else 0.0,
        }
    )
    return partial(fit_distributed, workers=group, folder=folder)


def make_standalone_evaluator(
    run: Run, experiment: Experiment, data: Data, progress: Progress
) -> StandaloneEvaluator:
    """Make an evaluator that trains each placement by the short schedule."""
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
        backbone_weights(pretrained_backbone(experiment, data, progress)),
    )


def search_evaluator(
    local: LocalEvaluator,
    experiment: Experiment,
    problem: Problem,
    workers: Workers | None,
    folder: Path,
    done: int,
) -> AbstractContextManager[Evaluator]:
    """Give the evaluator of a search as a context; its workers end with the context.

    Args:
        local: Evaluates in this process; workers get copies of it.
        experiment: Says whether cohorts race, and which scheduler stops trainings.
        problem: Values the costs of the members of a race.
        workers: The Ray workers; without them, this process evaluates.
        folder: The run's folder, in which Ray keeps its files while it works.
        done: How many trials the log has already.
    """
    if isinstance(local, StandaloneEvaluator):
        return training_evaluator(local, workers, folder, experiment.search.scheduler, done=done)
    race = RacingRule(partial(_reward_of_cost, problem)) if experiment.search.racing else None
    if workers is None:
        return nullcontext(local if race is None else RacingEvaluator(local, race))
    from ean_search.distributed.jobs import SharedJob
    from ean_search.distributed.ray_evaluator import RayEvaluator

    job = SharedJob.of(local, workers.gpus or 1.0, race)
    return RayEvaluator(job, problem.space, workers, folder, done=done)


def training_evaluator(
    local: StandaloneEvaluator,
    workers: Workers | None,
    folder: Path,
    scheduler: str = "fifo",
    *,
    name: str = "tune",
    done: int = 0,
) -> AbstractContextManager[Evaluator]:
    """Give an evaluator that trains placements stand-alone, as a context.

    Args:
        local: Trains in this process; workers get copies of it.
        workers: The Ray workers; without them, this process trains and no training stops early.
        folder: The run's folder, in which Ray keeps its files while it works.
        scheduler: The scheduler of Ray Tune that stops trainings early.
        name: The name of Ray's files.
        done: How many trials the log has already.
    """
    if workers is None:
        return nullcontext(local)
    from ean_search.distributed.jobs import TrainingJob
    from ean_search.distributed.ray_evaluator import RayEvaluator

    job = TrainingJob.of(local)
    return RayEvaluator(
        job, local.space, workers, folder, scheduler=scheduler, name=name, done=done
    )


def calibration_images(data: Data, count: int) -> torch.Tensor | None:
    """Draw random training images that set the norm statistics.

    The first images in the data's own order may all be of one class.

    Args:
        data: The data set.
        count: How many images to draw; 0 for none.

    Returns:
        Images (count, 3, size, size), or None.
    """
    if not count:
        return None
    images, _ = next(iter(data.train.batches(count, shuffle=CALIBRATION_SHUFFLE_SEED)))
    return images


def _reward_of_cost(problem: Problem, placement: Placement) -> float:
    """Return what a placement's cost adds to its reward."""
    return problem.reward(0.0, problem.price(placement))
