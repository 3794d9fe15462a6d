"""Provenance of results: versions of packages, git revision and hardware."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("ean-search", "torch", "torchvision", "timm", "ray", "optuna", "gymnasium", "fvcore")


def provenance(device: str) -> dict[str, Any]:
    """Describe the software and hardware that produce a result.

    Args:
        device: The device that computes, such as `cpu` or `cuda:0`.

    Returns:
        JSON values: Python's and the packages' versions, the git revision, and the hardware's name.
    """
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "git": git_revision(),
        "hardware": hardware(device),
    }


def hardware(device: str) -> str:
    """Name a device; for a CPU, add its number of threads and cores."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{_cpu_name()}, {torch.get_num_threads()} threads of {os.cpu_count()} cores"


def git_revision() -> str | None:
    """Return the git revision of this package's source tree, with `+` if files were changed.

    Returns:
        None if the package was not imported from a git checkout.
    """
    here = Path(__file__).resolve().parent
    git = ["git", "-C", str(here)]
    try:
        tracked = _output([*git, "ls-files", "--error-unmatch", __file__])
        revision = _output([*git, "rev-parse", "--short=12", "HEAD"])
        changed = _output([*git, "status", "--porcelain", "--untracked-files=no"])
    except (OSError, subprocess.CalledProcessError):
        return None
    return revision + ("+" if changed else "") if tracked else None


def _output(command: list[str]) -> str:
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    return process.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text().splitlines() if cpu_info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
