"""Which names of plug-ins may be imported: a file of a stranger must not run code by naming it.

A name such as `my_attn:SimAM` in a run folder, or in another file that the user did not write, is
read as a `ForeignName`. It is text like any other for tables and reports, but `load_attribute` does
not import it. So trust travels with the name itself, through every value that holds it.

Names are not foreign if the user trusts them (`--trust my_attn`), or if they are in this machine's
record of what the user named when the run was started. The record lies outside of run folders, in
`state_dir`, and holds for one folder with one random id.
"""

import hashlib
import json
import logging
import secrets
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import WrapValidator

from ean_search.utils.errors import UserError
from ean_search.utils.files import save_json, state_dir

log = logging.getLogger(__name__)
RUN_ID = "run_id"  # a field of a run's provenance
PROVENANCE_NAME = "provenance.json"
MAX_NAME_SHOWN = 80  # characters of a foreign name in a message


class ForeignName(str):
    """A name of a plug-in that was read from a file of a stranger and is not trusted."""

    __slots__ = ()


yaml.SafeDumper.add_representer(ForeignName, yaml.SafeDumper.represent_str)


def _keep_foreign(value: Any, validate: Any) -> Any:
    return value if isinstance(value, ForeignName) else validate(value)


# A field of this type stays foreign; pydantic would make plain text of it.
PluginName = Annotated[str, WrapValidator(_keep_foreign)]

# timm calls the function of a model with what a configuration file says, and takes no argument of
# ours: what is trusted there cannot be passed on.
_trusted_in_block: ContextVar[frozenset[str]] = ContextVar("trusted", default=frozenset())


@contextmanager
def trusting(*names: str) -> Iterator[None]:
    """Trust names in models that timm builds in the block from folders or from the hub.

    Args:
        *names: Modules such as "my_attn", or plug-ins such as "my_attn:SimAM".

    Example:
        >>> with ean_search.trusting("my_attn"):
        ...     network = timm.create_model("local-dir:export/timm", pretrained=True)
    """
    token = _trusted_in_block.set(_trusted_in_block.get() | frozenset(names))
    try:
        yield
    finally:
        _trusted_in_block.reset(token)


def trusted_in_block() -> frozenset[str]:
    """Return what is trusted by `trusting` blocks around the caller."""
    return _trusted_in_block.get()


def mark_foreign(value: Any, trusted: Collection[str]) -> Any:
    """Return fields of a stranger's file with its names of plug-ins marked as foreign.

    Args:
        value: JSON values; every text of the form `module:attribute` counts as such a name.
        trusted: Modules or names that are not marked; marks that they had are taken away.
    """
    if isinstance(value, Mapping):
        return {key: mark_foreign(entry, trusted) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [mark_foreign(entry, trusted) for entry in value]
    if isinstance(value, str) and ":" in value:
        return str(value) if is_trusted(value, trusted) else ForeignName(value)
    return value


def is_trusted(name: str, trusted: Collection[str]) -> bool:
    """Say whether a name, or its module, is among those that are trusted."""
    return name in trusted or name.partition(":")[0] in trusted


def refuse_foreign(
    names: Iterable[str], what: str = "this run", advice: str = "run with --trust {}"
) -> None:
    """Refuse foreign names.

    Args:
        names: Names of plug-ins, foreign or not.
        what: Where they stand; the message begins with it.
        advice: How to trust modules, which take the place of the braces.

    Raises:
        UserError: If one is foreign; the message lists all that are.
    """
    foreign = list(dict.fromkeys(name for name in names if isinstance(name, ForeignName)))
    if foreign:
        modules = ",".join(dict.fromkeys(name.partition(":")[0] for name in foreign))
        listed = ", ".join(_show(name) for name in foreign)
        yours = "it is yours" if len(foreign) == 1 else "they are yours"
        how = advice.format(shlex.quote(_show(modules)))
        raise UserError(f"{what} names {listed}; {how} if {yours}")


def read_trust(text: str) -> list[str]:
    """Read what `--trust` was given: names that are separated by commas."""
    return [name for name in (part.strip() for part in text.split(",")) if name]


def new_run_id() -> str:
    """Make the random id of a run, by which its record is recognised."""
    return secrets.token_hex(16)


def record_names(folder: Path, names: Collection[str]) -> None:
    """Record names that the user gave for a run of this machine.

    Args:
        folder: The run's folder, which has its provenance already.
        names: Names of plug-ins; without any, there is nothing to record.

    A run whose record cannot be written needs `--trust` later; that is said.
    """
    new = set(names) - recorded_names(folder)
    if new:
        folder = folder.resolve()
        record = {
            "folder": str(folder),
            RUN_ID: _read(folder / PROVENANCE_NAME).get(RUN_ID),
            "names": sorted(new | recorded_names(folder)),
        }
        try:
            file = _record_file(folder)
            file.parent.mkdir(parents=True, exist_ok=True)
            save_json(record, file)
        except OSError as error:
            words = "%s: cannot be recorded as yours (%s): other commands will need --trust"
            log.warning(words, folder, error.strerror)


def recorded_names(path: Path) -> frozenset[str]:
    """Return the names that the user gave for the run in which a file or a folder lies."""
    for folder in (path.resolve(), *path.resolve().parents):
        record = _read(_record_file(folder))
        if record and record.get(RUN_ID) == _read(folder / PROVENANCE_NAME).get(RUN_ID) is not None:
            return frozenset(record["names"])
    return frozenset()


def _record_file(folder: Path) -> Path:
    key = hashlib.sha256(str(folder).encode(errors="surrogateescape")).hexdigest()[:32]
    return state_dir() / "runs" / f"{key}.json"


def _read(file: Path) -> dict[str, Any]:
    """Read a mapping; what cannot be read trusts nobody."""
    try:
        value = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _show(name: str) -> str:
    """Return a stranger's text as a terminal may show it."""
    shown = name if name.isprintable() else ascii(name)
    return shown if len(shown) <= MAX_NAME_SHOWN else f"{shown[:MAX_NAME_SHOWN]}..."
