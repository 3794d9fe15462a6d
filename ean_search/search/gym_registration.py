"""Registers `ean_search/Placement-v0` with Gymnasium, without importing Gymnasium.

Gymnasium has looked for no entry points since 1.0: an environment exists once the package that
registers it was imported. In `gymnasium.make("ean_search:ean_search/Placement-v0")`, Gymnasium
imports the package before the colon itself; after `import ean_search`, the name alone will do. As
`import ean_search` must stay fast, it must not import Gymnasium, and people import the two in any
order. If Gymnasium was not imported yet, an import hook registers the environment right after
Gymnasium's import.
"""

import sys
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

ID = "ean_search/Placement-v0"


def register_when_possible() -> None:
    """Register now if Gymnasium was imported, or else right after its import."""
    if "gymnasium" in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _GymnasiumImportHook())


def register() -> None:
    """Register the environment with Gymnasium, once."""
    import gymnasium

    if ID not in gymnasium.registry:
        gymnasium.register(
            ID,
            entry_point="ean_search.search.gym_env:make_env",
            vector_entry_point="ean_search.search.gym_env:make_vector_env",
        )


class _GymnasiumImportHook:
    """Wraps the loader of Gymnasium, and leaves all other imports alone."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "gymnasium":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            _call_after_loading(spec.loader)
        return spec


def _call_after_loading(loader: Loader) -> None:
    """Make this loader register the environment after it has executed the module."""
    execute = loader.exec_module

    def execute_and_register(module: ModuleType) -> None:
        execute(module)
        register()

    # A wrapping loader instead would hide the loader's other methods, such as those for resources.
    loader.exec_module = execute_and_register  # type: ignore[method-assign]  # see above
