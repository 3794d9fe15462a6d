"""Tune's schedulers by name, as stand-alone training needs them.

ASHA compares a training with those that got as far before it, and so depends on who was first:
only `fifo`, which stops nothing, gives the same history with any number of workers.
"""

from typing import Any

from ray.tune import schedulers

from ean_search.utils.errors import unknown_name

METRIC = {"metric": "accuracy", "mode": "max"}
NAMES = ("asha", "fifo", "hyperband", "median_stopping_rule")


def make_scheduler(name: str, epochs: int) -> Any:
    """Make a scheduler for trainings of so many epochs."""
    if name not in NAMES:
        raise unknown_name("scheduler", name, NAMES)
    if name == "fifo" or epochs == 1:
        return schedulers.FIFOScheduler()
    if name == "median_stopping_rule":
        return schedulers.MedianStoppingRule(**METRIC, grace_period=1)
    if name == "hyperband":
        return schedulers.HyperBandScheduler(**METRIC, max_t=epochs)
    return schedulers.ASHAScheduler(**METRIC, max_t=epochs, grace_period=1, reduction_factor=3)
