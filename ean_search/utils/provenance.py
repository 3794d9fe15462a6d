"""What a run was made with: versions, git revision, hardware."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("ean-search", "torch", "torchvision", "timm", "ray", "optuna", "gymnasium", "fvcore")


def provenance(device: str) -> dict[str, Any]:
    """Gather what is needed to say what made a result."""
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "git": git_revision(),
        "hardware": hardware(device),
    }


def hardware(device: str) -> str:
    """Name the device that computes, with its thread count if it is a CPU."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{_cpu_name()}, {torch.get_num_threads()} threads of {os.cpu_count()} cores"


def git_revision() -> str | None:
    """Return the revision of the source tree this package runs from, `+` if it was changed."""
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
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
