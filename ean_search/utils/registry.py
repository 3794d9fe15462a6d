"""Registries: names to classes and functions.

A registry is a dict literal, name -> "module:attribute". A user's own class is named in the same
form, so nothing has to be registered before it can be used.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from ean_search.utils.errors import UserError, unknown_name


def load_attribute(address: str) -> Any:
    """Import what `module:attribute` names.

    Raises:
        UserError: If there is no such module, or nothing of that name in it.
    """
    module, _, attribute = address.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise UserError(f"cannot load {address!r}: no module named {error.name!r}") from error
    except AttributeError as error:
        raise UserError(f"cannot load {address!r}: {module} has no {attribute!r}") from error


def lookup(name: str, registry: Mapping[str, str], kind: str) -> Any:
    """Load what a registered name, or a `module:attribute`, stands for.

    Args:
        name: A key of the registry, or an address of the form `module:attribute`.
        registry: Names and the addresses they stand for.
        kind: What is looked for, for the error message.

    Raises:
        UserError: If the name is neither.
    """
    if name in registry:
        return load_attribute(registry[name])
    if ":" in name:
        return load_attribute(name)
    raise unknown_name(kind, name, registry)
