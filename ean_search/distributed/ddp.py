"""Trains one network with several processes that share every batch: DDP under Ray Train.

All processes draw the same placements, so that they run the same modules; modules that a placement
does not use get no gradient, as in one process. Norms see only their process's part of the batch.
So the result depends on the number of processes, which is therefore part of an experiment.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import torch
import torch.distributed as dist
from ray import train
from ray.train.torch import TorchConfig, TorchTrainer, get_device
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ean_search.data.splits import Split, to_device
from ean_search.distributed.cluster import check_room_for_all, cluster
from ean_search.distributed.config import Workers, check_batch_size
from ean_search.evaluation.standalone import remove_if_empty
from ean_search.training.recipe import Recipe
from ean_search.training.trainer import History, TrainingContext, fit
from ean_search.utils.errors import UserError
from ean_search.utils.progress import Progress, silent
from ean_search.utils.runtime import keep_freed_memory

TRAIN_FOLDER_NAME = "train"  # Ray makes it in the run's folder
PROGRESS_POLL_SECONDS = 0.5


class DDPGroup:
    """The processes that train together, as each of them sees it."""

    def __init__(self) -> None:
        self.leads = dist.get_rank() == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are averaged over the group."""
        return DistributedDataParallel(network, find_unused_parameters=True)

    def mean(self, value: Tensor) -> Tensor:
        """Average a value over the group."""
        total = value.clone()
        dist.all_reduce(total)
        return total / dist.get_world_size()


class StatusActor:
    """Progress, result and error of the leading process: an actor that the driver reads."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def write(self, key: str, value: Any) -> None:
        """Replace the value of a key."""
        self._values[key] = value

    def read(self, key: str) -> Any:
        """Return the value of a key, None if there is none."""
        return self._values.get(key)


def fit_distributed(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    context: TrainingContext,
    *,
    workers: Workers,
    folder: Path,
) -> History:
    """Train a network in place as `fit` does, with as many processes as there are workers.

    Args:
        network: What to train.
        split: The training images; each process takes its part of every batch.
        recipe: How to train.
        context: Seed, device, checkpoint and the like; its group is made here.
        workers: How many processes, and what each is given.
        folder: Where Ray keeps its files, if the workers name no other place.

    Returns:
        The history of the training, as of `fit`.

    Raises:
        UserError: If the processes cannot share a batch evenly, or the training diverged.
    """
    check_batch_size(recipe.batch_size, workers.count)
    checkpoint = context.checkpoint
    remote_context = replace(
        context, checkpoint=checkpoint and checkpoint.resolve(), progress=silent
    )
    with cluster(workers):
        check_room_for_all(workers)
        status = _start_status_actor()
        config = {
            "job": ray.put((network.cpu(), to_device(split, "cpu"), recipe, remote_context)),
            "threads": workers.threads,
            "status": status,
        }
        with _show_progress(status, context.progress):
            _run_group(config, workers, folder)
        weights, history = ray.get(status.read.remote("result"))
    remove_if_empty(folder / TRAIN_FOLDER_NAME)
    network.load_state_dict(weights)
    network.to(context.device)
    return history


def _start_status_actor() -> Any:
    actor = ray.remote(StatusActor).options(num_cpus=0)
    return actor.remote()


def _run_group(config: dict[str, Any], workers: Workers, folder: Path) -> None:
    """Run the processes to their end; an error that the user can mend comes back as one line."""
    gpus = workers.gpus or 0
    resources = {"CPU": workers.cpus_each} | ({"GPU": gpus} if gpus else {})
    trainer = TorchTrainer(
        _train_in_group,
        train_loop_config=config,
        torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
        scaling_config=train.ScalingConfig(
            num_workers=workers.count, use_gpu=bool(gpus), resources_per_worker=resources
        ),
        run_config=train.RunConfig(
            name=TRAIN_FOLDER_NAME,
            storage_path=workers.storage or str(folder.resolve()),
            failure_config=train.FailureConfig(max_failures=workers.max_failures),
        ),
    )
    error: Exception | None = None
    try:
        trainer.fit()
    except Exception as raised:
        error = raised
    reason = ray.get(config["status"].read.remote("error"))
    if reason is not None:
        raise UserError(reason) from error
    if error is not None:
        raise error


def _train_in_group(config: dict[str, Any]) -> None:
    """Train as one process of the group."""
    keep_freed_memory()
    torch.set_num_threads(config["threads"])
    network, split, recipe, context = ray.get(config["job"])
    process, group, status = train.get_context(), DDPGroup(), config["status"]
    part = split.share(process.get_world_rank(), process.get_world_size())

    def report(task: str, done: int, total: int, detail: str = "") -> None:
        if group.leads:
            status.write.remote("progress", (task, done, total, detail))

    context = replace(context, device=str(get_device()), progress=report, group=group)
    try:
        history = fit(network, part, recipe, context)
    except UserError as error:  # all processes see the same loss, so all come here together
        ray.get(status.write.remote("error", str(error)))
        return
    if group.leads:
        weights = {name: value.cpu() for name, value in network.state_dict().items()}
        ray.get(status.write.remote("result", (weights, history)))


@contextmanager
def _show_progress(status: Any, progress: Progress) -> Iterator[None]:
    """Pass on how far training has come while the block waits for it."""
    ended = threading.Event()

    def poll() -> None:
        last = None
        while not ended.wait(PROGRESS_POLL_SECONDS):
            message = ray.get(status.read.remote("progress"))
            if message is not None and message != last:
                last = message
                progress(*message)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
