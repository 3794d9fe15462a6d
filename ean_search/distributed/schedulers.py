"""Tune's schedulers by name, as stand-alone training needs them.

ASHA compares a training with those that got as far before it, and so depends on which was first:
only `fifo`, which stops nothing, gives the same history with any number of workers.
"""

from ray.tune import schedulers

from ean_search.distributed.config import check_scheduler

METRIC, MODE = "accuracy", "max"


def make_scheduler(name: str, epochs: int) -> schedulers.TrialScheduler:
    """Make a scheduler of Tune.

    Args:
        name: One of `SCHEDULER_NAMES` of config.py.
        epochs: Epochs of each training; trainings of one epoch are never stopped.

    Raises:
        UserError: If there is no scheduler of that name.
    """
    check_scheduler(name)
    if name == "fifo" or epochs == 1:
        return schedulers.FIFOScheduler()
    if name == "median_stopping_rule":
        return schedulers.MedianStoppingRule(metric=METRIC, mode=MODE, grace_period=1)
    if name == "hyperband":
        return schedulers.HyperBandScheduler(metric=METRIC, mode=MODE, max_t=epochs)
    return schedulers.ASHAScheduler(
        metric=METRIC, mode=MODE, max_t=epochs, grace_period=1, reduction_factor=3
    )
