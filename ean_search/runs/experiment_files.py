"""Reads the fields of an experiment from YAML files that build on each other, and from changes."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ean_search.core.space import shipped_spaces
from ean_search.search.searchers.registry import split_searcher
from ean_search.utils.errors import UserError, shorten
from ean_search.utils.import_path import is_data_folder
from ean_search.utils.trust import mark_foreign, recorded_names
from ean_search.utils.yaml_files import read_yaml


def gather_fields(
    path: Path | str | None, changes: dict[str, Any], trust: Collection[str] = ()
) -> dict[str, Any]:
    """Read the fields of a file, and change them.

    Args:
        path: A YAML file of fields, or None.
        changes: Values by dotted field; they override the file.
        trust: Modules or plug-ins that a file in a run folder may name.

    Raises:
        UserError: If a file is missing or wrong, or a run's names other files.
    """
    fields = _read(Path(path), frozenset(trust), ()) if path else {}
    for dotted, value in changes.items():
        for key in reversed(dotted.split(".")):
            value = {key: value}
        fields = _merge(fields, _spell_out_search(value))
    return fields


def name_leaves(fields: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of all values that are neither a mapping nor null."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from name_leaves(value, f"{prefix}{name}.")
        elif value is not None:
            yield prefix + name


def spell_out_searcher(search: dict[str, Any]) -> dict[str, Any]:
    """Split a searcher like "random tries=50" into `searcher` and `options`, as they are saved."""
    if not isinstance(search.get("searcher"), str):
        return search
    name, options = split_searcher(search["searcher"])
    given = search.get("options") or {}
    if not options or not isinstance(given, dict):
        return search | {"searcher": name}
    if twice := sorted(set(options) & set(given)):
        raise UserError(
            f"the option {twice[0]!r} of searcher {name!r} is given twice: beside its name and in "
            "`options`"
        )
    return search | {"searcher": name, "options": {**given, **options}}


def _read(path: Path, trust: frozenset[str], above: tuple[Path, ...]) -> dict[str, Any]:
    """Read the fields of a file and of the files it builds on, which must not build on it."""
    if path.resolve() in above:
        raise UserError(f"{path}: builds on itself (base)")
    if not path.is_file():
        raise UserError(f"no experiment file at {path}")
    fields = read_yaml(path)
    if not isinstance(fields, dict):
        raise UserError(f"{path}: expected a mapping of fields, got {type(fields).__name__}")
    if isinstance(fields.get("space"), str):
        fields["space"] = {"base": fields["space"]}
    if is_data_folder(path.parent):
        _refuse_base(path, fields)
        fields = mark_foreign(fields, trust | recorded_names(path))
    bases = fields.pop("base", [])
    merged: dict[str, Any] = {}
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise UserError(f"{path}: base: expected files, got {shorten(bases)}")
    for base in bases:
        merged = _merge(merged, _read(path.parent / base, trust, (*above, path.resolve())))
    return _merge(merged, _spell_out_search(fields))


def _refuse_base(path: Path, fields: dict[str, Any]) -> None:
    """Refuse a run's experiment that builds on other files; saved ones spell everything out."""
    space = fields.get("space")
    base = space.get("base") if isinstance(space, dict) else None
    if "base" in fields or base not in (None, *shipped_spaces()):
        raise UserError(f"{path}: an experiment in a run folder builds on no other file (base)")


def _spell_out_search(fields: dict[str, Any]) -> dict[str, Any]:
    """Spell out the searcher of one file or flag, so that options of a later one replace it."""
    if not isinstance(fields.get("search"), dict):
        return fields
    return fields | {"search": spell_out_searcher(fields["search"])}


def _merge(fields: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Change fields, also inside mappings; a mapping with a name replaces the old one whole."""
    merged = dict(fields)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and "name" not in value:
            value = _merge(old, value)
        merged[key] = value
    return merged
