"""Starts Ray on this machine, or joins a cluster, and leaves nothing of it behind."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest.mock import patch

import ray
from ray._private import ray_constants  # under no public name

from ean_search.distributed.config import Workers
from ean_search.utils.errors import UserError, first_line
from ean_search.utils.import_path import is_data_folder

# One folder and three files per trial are too much for trials of milliseconds. Workers stay in the
# user's working directory, so that relative paths to data mean the same everywhere.
RAY_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
CLUSTERS_OF_RAY = ray_constants, "ENABLE_RAY_CLUSTER"
CONNECT_SECONDS = 5.0
QUIET_LOGGERS = ("ray", "ray.tune", "ray.train")


@contextmanager
def cluster(workers: Workers) -> Iterator[None]:
    """Provide Ray in the block: the caller's own if it runs already, else one that ends with it.

    Args:
        workers: How many workers there must be room for, and the address of a running cluster.

    Raises:
        UserError: If there is no cluster at the address, or no node has room for a worker.
    """
    if is_data_folder(Path.cwd()):
        raise UserError(
            f"{Path.cwd()} is a run's folder, and Ray's workers import from the folder where they "
            "are started: start from another one"
        )
    with _environment(RAY_ENVIRONMENT | {"TUNE_MAX_PENDING_TRIALS_PG": str(workers.count)}):
        if ray.is_initialized():
            yield
            return
        _start(workers)
        try:
            check_room(workers)
            check_storage(workers)
            yield
        finally:
            ray.shutdown()


def _start(workers: Workers) -> None:
    """Start Ray on this machine, or connect to the cluster at the workers' address."""
    if workers.address is None:
        # Without clusters, as on macOS, Ray takes the loopback address as that of the machine.
        with nullcontext() if workers.listen else patch.object(*CLUSTERS_OF_RAY, False):
            ray.init(
                "local",  # else Ray joins whatever cluster it finds on this machine
                num_cpus=workers.cpus_here,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        return
    _check_address(workers.address)
    environment = {"env_vars": RAY_ENVIRONMENT}
    try:
        ray.init(
            workers.address,
            runtime_env=environment,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"no Ray cluster at {workers.address!r}: {first_line(error)}") from error


def _check_address(address: str) -> None:
    """Refuse a host and port where nobody listens; Ray would try for minutes.

    Raises:
        UserError: If there is nobody.
    """
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if not separator:  # `auto`, and other words of Ray's
        return
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UserError(f"expected an address such as auto or 10.0.0.1:6379, got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, UnicodeError) as error:
        raise UserError(f"no Ray cluster at {address!r}: {first_line(error)}") from error


def check_room(workers: Workers) -> None:
    """Refuse workers if no node has room for a single one.

    Raises:
        UserError: If that is so; its text names the nodes' resources.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus, gpus = workers.cpus_each, workers.gpus or 0
    needed = {"CPU": cpus, "GPU": gpus}
    if not any(all(node.get(kind, 0) >= n for kind, n in needed.items()) for node in nodes):
        have = "; ".join(f"{n.get('CPU', 0):g} CPUs, {n.get('GPU', 0):g} GPUs" for n in nodes)
        raise UserError(
            f"a worker of {cpus:g} CPUs and {gpus:g} GPUs fits on no node "
            f"({have}): give less with --cpus-per-worker or --gpus-per-worker"
        )


def check_room_for_all(workers: Workers) -> None:
    """Refuse processes that train together if there is no room for all of them at once.

    Raises:
        UserError: If that is so; Ray would wait for ever.
    """
    needed = {"CPU": workers.cpus_each, "GPU": workers.gpus or 0}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    rooms = [min(node.get(kind, 0) // n for kind, n in needed.items() if n) for node in nodes]
    if sum(rooms) < workers.count:
        raise UserError(
            f"{workers.count} training workers work together, and there is room for "
            f"{sum(rooms):g} of {needed['CPU']:g} CPUs and {needed['GPU']:g} GPUs each: give fewer "
            "with --train-workers, or less to each"
        )


def check_storage(workers: Workers) -> None:
    """Refuse a cluster of several nodes without a place for files that all of them reach.

    Raises:
        UserError: If no such place was given.
    """
    alive = sum(bool(node["Alive"]) for node in ray.nodes())
    if alive > 1 and workers.storage is None:
        raise UserError(
            f"the cluster has {alive} nodes, which do not see this machine's folders: give a "
            "shared folder or a URL with --storage-path"
        )


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables that the user has not set, and silence Ray's loggers, in the block."""
    before = {name: os.environ.get(name) for name in variables}
    levels = {name: logging.getLogger(name).level for name in QUIET_LOGGERS}
    os.environ.update({k: value for k, value in variables.items() if before[k] is None})
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
