import subprocess
import sys

import pytest

from ean_search.search.gym_registration import ID


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("order", ["gymnasium, ean_search", "ean_search, gymnasium"])
def test_the_environment_is_registered_whichever_is_imported_first(order):
    code = f"import sys, {order}; print(gymnasium.spec('{ID}').id, 'torch' in sys.modules)"
    assert run(code) == [ID, "False"]


def test_importing_the_package_does_not_import_gymnasium():
    assert run("import sys, ean_search; print('gymnasium' in sys.modules)") == ["False"]


def test_other_imports_work_as_before():
    code = "import ean_search, importlib.util; print(importlib.util.find_spec('json').name)"
    assert run(code) == ["json"]
