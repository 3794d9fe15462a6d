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


def test_gymnasium_finds_the_environment_without_an_import_of_the_package():
    code = (
        f"import gymnasium; e = gymnasium.make('ean_search:{ID}', table='eight');"
        f"v = gymnasium.make_vec('ean_search:{ID}', num_envs=2, table='eight');"
        "print(e.reset(seed=0)[0].shape == (1,), v.num_envs)"
    )
    assert run(code) == ["True", "2"]


def test_importing_the_package_does_not_import_gymnasium():
    assert run("import sys, ean_search; print('gymnasium' in sys.modules)") == ["False"]


def test_other_imports_work_as_before():
    code = "import ean_search, importlib.util; print(importlib.util.find_spec('json').name)"
    assert run(code) == ["json"]
