import gc
import subprocess
import sys
from contextlib import suppress

import pytest

from ean_search.utils.runtime import keep_freed_memory, without_garbage_collection

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


def count_page_faults(keep):
    code = FAULTS.format(keep=keep)
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has mallopt")
def test_freed_memory_is_reused():
    assert count_page_faults(keep=True) < count_page_faults(keep=False) / 10


def test_the_garbage_collector_is_off_inside_the_block():
    assert gc.isenabled()
    with without_garbage_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_garbage_collector_is_on_after_a_failed_import():
    with suppress(ModuleNotFoundError), without_garbage_collection():
        import no_such_module  # noqa: F401
    assert gc.isenabled()


def test_a_garbage_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with without_garbage_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_keep_their_settings(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    assert keep_freed_memory() is False
