"""Faults for benchmarks and tests: killed Ray workers, and a node that is lost."""

import logging
import random
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import psutil
import ray
from ray.cluster_utils import Cluster

from ean_search.core.space import Space
from ean_search.distributed.config import Workers
from ean_search.distributed.jobs import SharedJob
from ean_search.distributed.ray_evaluator import RayEvaluator
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator

LOST_NODE_TIMEOUT_SECONDS = 120.0  # until the loss of a node must have been noticed
WORKER_PROCESS_NAME = "ResourceTrainable"  # what Ray calls the process of a trial
SECONDS_BETWEEN_KILLS = (0.5, 3.0)


class WorkerKiller:
    """A thread that kills one worker after another until it has killed enough."""

    def __init__(self, enough: int, seed: int = 0):
        self.enough, self.count = enough, 0
        self._rng, self._stop = random.Random(seed), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def done(self) -> bool:
        """Tell whether enough were killed."""
        return self.count >= self.enough

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
        below = psutil.Process().children(recursive=True)
        try:
            workers = [process for process in below if WORKER_PROCESS_NAME in process.name()]
            if workers:
                self._rng.choice(workers).kill()
        except psutil.NoSuchProcess:  # it went by itself
            return False
        return bool(workers)


def lose_node(plain: SharedWeightsEvaluator, space: Space) -> dict[str, Any]:
    """Evaluate cohorts by a worker on each node, take one node away, and compare the results."""
    placements = space.enumerate()[:64]
    expected = [measured.accuracy for measured in plain.evaluate(placements)]
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = nodes.add_node(num_cpus=1)
    ray.init(nodes.address, log_to_driver=False, logging_level=logging.ERROR)
    workers = Workers(count=2, cpus=1, address=nodes.address)
    cohorts, equal = 0, True
    try:
        with (
            TemporaryDirectory() as folder,
            RayEvaluator(SharedJob.of(plain), space, workers, Path(folder)) as crew,
        ):
            while len(crew.inbox.seen) < workers.count:  # until both are at work
                list(crew.evaluate(placements))
            losing = threading.Thread(target=nodes.remove_node, args=[second, False])
            losing.start()
            end = time.monotonic() + LOST_NODE_TIMEOUT_SECONDS
            while not crew.inbox.retries and time.monotonic() < end:
                equal &= [m.accuracy for m in crew.evaluate(placements)] == expected
                cohorts += 1
            equal &= [m.accuracy for m in crew.evaluate(placements)] == expected
            losing.join()
            moved = crew.inbox.retries
    finally:
        ray.shutdown()
        nodes.shutdown()
    return {"trials_moved": moved, "cohorts": cohorts + 1, "results_equal": equal}
