"""Starts Ray on this machine, or joins a cluster, and leaves nothing of it behind."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from ean_search.distributed.config import Workers
from ean_search.utils.errors import UserError, first_line

# A folder and three files a trial are too much for trials of milliseconds; and workers stay where
# the user stands, so that relative paths to data mean the same everywhere.
SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
QUIET = ("ray", "ray.tune", "ray.train")


@contextmanager
def cluster(workers: Workers) -> Iterator[None]:
    """Have Ray at hand: the caller's own if it runs already, else until the end of the block."""
    with _settings(SETTINGS | {"TUNE_MAX_PENDING_TRIALS_PG": str(workers.count)}):
        if ray.is_initialized():
            yield
            return
        _start(workers)
        try:
            check_room(workers)
            yield
        finally:
            ray.shutdown()


def _start(workers: Workers) -> None:
    if workers.address is None:
        ray.init(
            "local",  # else Ray joins whatever cluster it finds on this machine
            num_cpus=workers.cpus_here,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        return
    environment = {"env_vars": SETTINGS}
    try:
        ray.init(
            workers.address,
            runtime_env=environment,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"no Ray cluster at {workers.address!r}: {first_line(error)}") from error


def check_room(workers: Workers) -> None:
    """Refuse workers of which no node could hold a single one."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus, gpus = workers.cpus_each, workers.gpus or 0
    needed = {"CPU": cpus, "GPU": gpus}
    if not any(all(node.get(kind, 0) >= n for kind, n in needed.items()) for node in nodes):
        have = "; ".join(f"{n.get('CPU', 0):g} CPUs, {n.get('GPU', 0):g} GPUs" for n in nodes)
        raise UserError(
            f"a worker of {cpus:g} CPUs and {gpus:g} GPUs fits on no node "
            f"({have}): give less with --cpus-per-worker or --gpus-per-worker"
        )


@contextmanager
def _settings(settings: dict[str, str]) -> Iterator[None]:
    """Set what Ray reads from the environment, and quieten it, for a while."""
    before = {name: os.environ.get(name) for name in settings}
    levels = {name: logging.getLogger(name).level for name in QUIET}
    os.environ.update({name: value for name, value in settings.items() if before[name] is None})
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
