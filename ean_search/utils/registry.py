"""Names to things: registries, `module:attribute` addresses and did-you-mean.

A registry is a dict literal, name -> "module:attribute". A user's own class is named in the
same form, so nothing has to be registered before it can be used.
"""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any

LISTED = 60  # more names than this are counted, not listed


class UserError(ValueError):
    """Something the user can mend; the command line shows it as one line, without a traceback."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Word the error for a name that is not known, with the nearest one that is."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    names = ", ".join(known) if len(known) <= LISTED else f"{len(known)} names"
    return UserError(f"unknown {kind} {name!r}{hint} known: {names}")


def load_attribute(address: str) -> Any:
    """Import `module:attribute`."""
    module, _, attribute = address.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise UserError(f"cannot load {address!r}: no module named {error.name!r}") from error
    except AttributeError as error:
        raise UserError(f"cannot load {address!r}: {module} has no {attribute!r}") from error


def lookup(name: str, registry: Mapping[str, str], kind: str) -> Any:
    """Return what a registered name, or a `module:attribute`, stands for."""
    if name in registry:
        return load_attribute(registry[name])
    if ":" in name:
        return load_attribute(name)
    raise unknown(kind, name, registry)


def first_line(error: Exception) -> str:
    """Give the first line of an error's text, or its kind if it has none."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
