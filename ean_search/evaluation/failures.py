"""Which errors are a placement's own, and so a result, and which must stop a search."""

import torch

from ean_search.training.trainer import DivergedError

OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def own_fault(error: Exception) -> str | None:
    """Say why a placement could not be measured, or None if that was not its own fault."""
    if isinstance(error, DivergedError):
        return str(error)
    text = str(error).strip().splitlines()[:1]
    words = text[0] if text else type(error).__name__
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return f"out of memory: {words}"
    if isinstance(error, RuntimeError) and any(sign in words for sign in OUT_OF_MEMORY):
        return f"out of memory: {words}"
    return None
