"""Tells errors that are the result of one placement from errors that must stop a search."""

import torch

from ean_search.utils.errors import DivergedError, first_line

OUT_OF_MEMORY_TEXTS = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    # What libraries say that find no room for their workspace.
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
)


def trial_failure_reason(error: Exception) -> str | None:
    """Say why a placement could not be measured, if the placement is the cause.

    Args:
        error: What its training or evaluation raised.

    Returns:
        The reason, to be recorded as the trial's note: memory ran out, or a loss diverged. None
        for every other error; the caller should raise it again.
    """
    if isinstance(error, DivergedError):
        return str(error)
    text = first_line(error)
    return f"out of memory: {text}" if is_out_of_memory(error) else None


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether an error means that memory ran out, of the process or of a GPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = first_line(error)
    return isinstance(error, RuntimeError) and any(part in text for part in OUT_OF_MEMORY_TEXTS)
