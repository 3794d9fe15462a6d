"""Registries: they map names to classes and functions.

A registry is a dict literal, name -> "module:attribute". Users name their own classes in the same
form, so they need not register them. `load_attribute` is the only function that imports by name.
"""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from ean_search.utils.errors import UserError, describe_crash, first_line, unknown_name
from ean_search.utils.import_path import plugin_path
from ean_search.utils.trust import refuse_foreign


def load_attribute(address: str) -> Any:
    """Import the attribute that an address names.

    Args:
        address: An address of the form `module:attribute`.

    Returns:
        The class, function or other value.

    Raises:
        UserError: If the address is a stranger's and not trusted, if the module does not exist or
            cannot be imported, or if it has no such attribute.
    """
    refuse_foreign([address])
    module, _, attribute = address.partition(":")
    try:
        with plugin_path():
            loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UserError(f"cannot load {address!r}: no module named {error.name!r}") from error
    except (Exception, SystemExit) as error:
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


def call_plugin(plug_in: Any, kind: str, name: str, *args: Any, **options: Any) -> Any:
    """Call a plug-in of the user's; what it raises becomes one line.

    Args:
        plug_in: What the name stands for.
        kind: The kind of plug-in, such as "data set".
        name: Its name.
        *args: Its arguments.
        **options: Its keyword arguments.

    Raises:
        UserError: If it cannot be called like this, or fails.
    """
    try:
        inspect.signature(plug_in).bind(*args, **options)
    except (TypeError, ValueError) as error:  # a ValueError: it has no signature
        raise UserError(f"{name!r} is no {kind}: {first_line(error)}") from error
    try:
        return plug_in(*args, **options)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{kind} {name!r} failed: {describe_crash(error)}") from error
