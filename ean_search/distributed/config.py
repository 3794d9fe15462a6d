"""Where a run's work is done: by Ray workers, on this machine or on a cluster.

Workers do not change a run's results, so they are no part of the experiment: a run may be resumed
with more workers, fewer or none. Imports neither ray nor torch.
"""

import math

from pydantic import Field

from ean_search.utils.config import MAX_COUNT, MAX_PROCESSES, FrozenConfig
from ean_search.utils.device import count_cpus
from ean_search.utils.errors import UserError, unknown_name

SCHEDULER_NAMES = ("asha", "fifo", "hyperband", "median_stopping_rule")


class Workers(FrozenConfig):
    """How many workers, what each is given, and where they are.

    Args:
        count: Workers.
        cpus: CPUs of each worker. By default, on a cluster one; else an even share of this
            machine's, at least one.
        gpus: GPUs of each worker; 0.25 puts four workers on one GPU. None means no GPU.
        max_failures: How often a trial is started again after its worker died.
        address: Address of a running cluster, or `auto`; None starts Ray on this machine.
        storage: Folder or URL for Ray's files; the run's folder if None.
        listen: Whether a Ray that is started here can be reached from other machines; by default
            it listens on the loopback interface only.

    Example:
        >>> Workers(count=4, gpus=0.25)
    """

    count: int = Field(default=1, ge=1, le=MAX_PROCESSES)
    cpus: float | None = Field(default=None, ge=0.01, le=MAX_PROCESSES)
    gpus: float | None = Field(default=None, ge=0, le=MAX_PROCESSES)
    max_failures: int = Field(default=3, ge=0, le=MAX_COUNT)
    address: str | None = None
    storage: str | None = None
    listen: bool = False

    @property
    def cpus_each(self) -> float:
        """Return the CPUs of one worker; on a cluster one, unless more are given."""
        if self.cpus is not None:
            return self.cpus
        return 1 if self.address else max(1, count_cpus() // self.count)

    @property
    def threads(self) -> int:
        """Return how many threads a worker's torch may use."""
        return max(1, int(self.cpus_each))

    @property
    def cpus_here(self) -> int:
        """Return the CPUs to declare to a Ray of this machine: all workers must find a place."""
        return max(count_cpus(), math.ceil(self.count * self.cpus_each))

    @property
    def device(self) -> str:
        """Name the device that a worker sees."""
        return "cuda" if self.gpus else "cpu"


def check_scheduler(name: str) -> None:
    """Raise a UserError if there is no scheduler of that name."""
    if name not in SCHEDULER_NAMES:
        raise unknown_name("scheduler", name, SCHEDULER_NAMES)


def check_batch_size(batch_size: int, processes: int) -> None:
    """Raise a UserError if processes that train together cannot share every batch evenly."""
    if batch_size % processes:
        raise UserError(
            f"expected a batch size that {processes} training workers can share evenly, "
            f"got {batch_size}"
        )
