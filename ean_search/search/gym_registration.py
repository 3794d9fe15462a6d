"""Registers `ean_search/Placement-v0` with Gymnasium, without importing Gymnasium for it.

Gymnasium 1.x looks for no plugins: an environment exists once its package was imported. Importing
this package must stay free, and people import in any order; so if Gymnasium is not there yet, its
import is waited for.
"""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

ID = "ean_search/Placement-v0"


def register_when_possible() -> None:
    """Register now if Gymnasium was imported, or right after it is."""
    if "gymnasium" in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _Waiting())


def register() -> None:
    """Tell Gymnasium of the environment."""
    import gymnasium

    if ID not in gymnasium.registry:
        gymnasium.register(
            ID,
            entry_point="ean_search.search.gym_env:make_env",
            vector_entry_point="ean_search.search.gym_env:make_vector_env",
        )


class _Waiting:
    """Finds nothing itself, but notices when Gymnasium is looked for."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "gymnasium":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            execute(module)
            register()

        spec.loader.exec_module = execute_and_register
        return spec
