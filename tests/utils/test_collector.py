import gc
from contextlib import suppress

from ean_search.utils.runtime import without_garbage_collection


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
