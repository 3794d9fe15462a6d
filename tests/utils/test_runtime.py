import gc
import subprocess
import sys
from contextlib import suppress

import pytest

from ean_search.utils.runtime import without_garbage_collection

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


def test_the_collector_rests_during_the_block():
    assert gc.isenabled()
    with without_garbage_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_comes_back_after_an_import_that_fails():
    with suppress(ModuleNotFoundError), without_garbage_collection():
        import no_such_module  # noqa: F401
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with without_garbage_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
