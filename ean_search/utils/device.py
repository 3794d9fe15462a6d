"""Devices and their resources: what `auto` means, CPUs, and free memory."""

import os

from ean_search.utils.errors import UserError, first_line


def find_device(name: str) -> str:
    """Return the device that `auto` stands for, or the named one if this machine has it.

    Args:
        name: `auto`, `cpu`, `cuda`, `cuda:1`, ...

    Returns:
        `cuda` or `cpu` for `auto`, else the name itself.

    Raises:
        UserError: If this machine has no such device.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"no device {name!r} here: {first_line(error)}") from error
    return name


def count_cpus() -> int:
    """Count the CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes(device: str) -> int:
    """Return the free memory of a device (for `cpu`: of this machine), in bytes.

    What torch keeps of a GPU's memory without using it is free, too.
    """
    import psutil
    import torch

    if device.startswith("cuda"):
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    return int(psutil.virtual_memory().available)


def empty_cache(device: str) -> None:
    """Give back the memory of a GPU that torch keeps without using it; nothing on a CPU."""
    import torch

    if device.startswith("cuda"):
        with torch.cuda.device(device):
            torch.cuda.empty_cache()
