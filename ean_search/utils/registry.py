"""Registries: they map names to classes and functions.

A registry is a dict literal, name -> "module:attribute". Users name their own classes in the same
form, so they need not register them.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from ean_search.utils.errors import UserError, describe_crash, unknown_name


def load_attribute(address: str) -> Any:
    """Import the attribute that an address names.

    Args:
        address: An address of the form `module:attribute`.

    Returns:
        The class, function or other value.

    Raises:
        UserError: If the module does not exist or cannot be imported, or has no such attribute.
    """
    module, _, attribute = address.partition(":")
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UserError(f"cannot load {address!r}: no module named {error.name!r}") from error
    except Exception as error:
        raise UserError(f"cannot load {address!r}: {describe_crash(error)}") from error
    try:
        return getattr(loaded, attribute)
    except AttributeError as error:
        raise UserError(f"cannot load {address!r}: {module} has no {attribute!r}") from error


def lookup(name: str, registry: Mapping[str, str], kind: str) -> Any:
    """Load the class or function that a name stands for.

    Args:
        name: A key of the registry, or an address of the form `module:attribute`.
        registry: Maps names to addresses.
        kind: The kind of thing that is looked up, such as "searcher"; for the error message.

    Returns:
        The class, function or other value.

    Raises:
        UserError: If the name is neither a key nor a valid address.
    """
    if name in registry:
        return load_attribute(registry[name])
    if ":" in name:
        return load_attribute(name)
    raise unknown_name(kind, name, registry)
