"""Faults for benchmarks and tests: killed Ray workers, and a node that is lost."""

import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import psutil
import ray
from ray.cluster_utils import Cluster

from ean_search.core.space import Placement, Space
from ean_search.distributed.config import Workers
from ean_search.distributed.jobs import SharedJob
from ean_search.distributed.ray_evaluator import RayEvaluator
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator
from ean_search.search.evaluator import Evaluator

NODE_TIMEOUT_SECONDS = 120.0  # for two nodes to be at work, and for one's loss to be noticed
WORKER_PROCESS_NAME = "ResourceTrainable"  # what Ray calls the process of a trial
SECONDS_BETWEEN_KILLS = (0.5, 3.0)


class WorkerKiller:
    """A thread that kills Ray workers below this process, one after another.

    Args:
        kills: Number of workers to kill.
        seed: Seed of the choice of workers and of the pauses between kills.

    Example:
        >>> with WorkerKiller(2) as killer:
        ...     while not killer.done:
        ...         list(evaluator.evaluate(placements))
    """

    def __init__(self, kills: int, seed: int = 0):
        self.kills, self.count = kills, 0
        self._rng, self._stop = random.Random(seed), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def done(self) -> bool:
        """Tell whether all kills are done."""
        return self.count >= self.kills

    def __enter__(self) -> "WorkerKiller":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self.done and not self._stop.wait(self._rng.uniform(*SECONDS_BETWEEN_KILLS)):
            self.count += self._kill()

    def _kill(self) -> bool:
        """Kill a random worker, if there is one."""
        processes = psutil.Process().children(recursive=True)
        try:
            workers = [process for process in processes if WORKER_PROCESS_NAME in process.name()]
            if workers:
                self._rng.choice(workers).kill()
        except psutil.NoSuchProcess:  # it ended by itself
            return False
        return bool(workers)


@contextmanager
def start_workers(
    local: SharedWeightsEvaluator, space: Space, workers: Workers, share: float = 1.0
) -> Iterator[RayEvaluator]:
    """Evaluate with workers, in a temporary folder, for as long as the block runs.

    Args:
        local: Evaluates in this process; workers get its network and images.
        space: The space of its network.
        workers: The workers.
        share: The part of a device that each worker may use.
    """
    job = SharedJob.of(local, share)
    with TemporaryDirectory() as name, RayEvaluator(job, space, workers, Path(name)) as evaluator:
        yield evaluator


def lose_node(local: SharedWeightsEvaluator, space: Space) -> dict[str, object]:
    """Evaluate cohorts with one worker on each of two nodes, and take one node away.

    Returns:
        The trials that were moved, the cohorts, and whether all results are those of `local`.
    """
    placements = space.enumerate()[:64]
    expected = _evaluate(local, placements)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    node = cluster.add_node(num_cpus=1)
    ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    workers = Workers(count=2, cpus=1, address=cluster.address)
    removal = threading.Thread(target=cluster.remove_node, args=[node, False])
    try:
        with start_workers(local, space, workers) as evaluator:
            _wait_for_workers(evaluator, placements, workers.count)
            removal.start()
            cohorts, equal = _evaluate_until_retry(evaluator, placements, expected)
            removal.join()
            moved = evaluator.callback.retries
            return {"trials_moved": moved, "cohorts": cohorts, "results_equal": equal}
    finally:
        ray.shutdown()
        cluster.shutdown()


def _wait_for_workers(evaluator: RayEvaluator, placements: list[Placement], count: int) -> None:
    """Evaluate placements until so many workers have sent results."""
    deadline = time.monotonic() + NODE_TIMEOUT_SECONDS
    while len(evaluator.callback.worker_processes) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} workers are not at work after {NODE_TIMEOUT_SECONDS:g} s")
        _evaluate(evaluator, placements)


def _evaluate_until_retry(
    evaluator: RayEvaluator, placements: list[Placement], expected: list[float | None]
) -> tuple[int, bool]:
    """Evaluate until a trial was tried again, and once more; count, and compare the results."""
    deadline = time.monotonic() + NODE_TIMEOUT_SECONDS
    cohorts, equal = 0, True
    while not evaluator.callback.retries and time.monotonic() < deadline:
        equal &= _evaluate(evaluator, placements) == expected
        cohorts += 1
    equal &= _evaluate(evaluator, placements) == expected
    return cohorts + 1, equal


def _evaluate(evaluator: Evaluator, placements: list[Placement]) -> list[float | None]:
    return [result.accuracy for result in evaluator.evaluate(placements)]
