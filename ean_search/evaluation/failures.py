"""Which errors are a placement's own, and so a result, and which must stop a search."""

import torch

from ean_search.utils.errors import DivergedError, first_line

OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def trial_failure_reason(error: Exception) -> str | None:
    """Say why a placement could not be measured, or None if that was not its own fault."""
    if isinstance(error, DivergedError):
        return str(error)
    words = first_line(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return f"out of memory: {words}"
    if isinstance(error, RuntimeError) and any(sign in words for sign in OUT_OF_MEMORY):
        return f"out of memory: {words}"
    return None
