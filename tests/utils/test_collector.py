import gc
from contextlib import suppress

from ean_search.utils.collector import collector_off


def test_the_collector_rests_during_the_block():
    assert gc.isenabled()
    with collector_off():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_comes_back_after_an_import_that_fails():
    with suppress(ModuleNotFoundError), collector_off():
        import no_such_module  # noqa: F401
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with collector_off():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
