"""A node lost in the middle of a search, on a cluster of two nodes that this machine plays."""

import logging
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from ray.cluster_utils import Cluster

from ean_search.core.space import Space
from ean_search.distributed.config import Workers
from ean_search.distributed.jobs import SharedJob
from ean_search.distributed.ray_evaluator import RayEvaluator
from ean_search.evaluation.shared_weights import SharedWeightsEvaluator

PATIENCE = 120.0  # seconds until the loss of a node must have been noticed


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
            end = time.monotonic() + PATIENCE
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
