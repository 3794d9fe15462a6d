import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from ean_search.utils.runtime import keep_freed_memory
if {keep}:
    assert keep_freed_memory()
def touch():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
touch()
print(touch())
"""


def _faults(keep: bool) -> int:
    code = FAULTS.format(keep=keep)
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is Linux's")
def test_freed_memory_is_used_again() -> None:
    assert _faults(keep=True) < _faults(keep=False) / 10
