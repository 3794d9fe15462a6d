"""Frozen, validated values that are read from YAML files and command-line flags."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ean_search.utils.errors import UserError, unknown_name


class FrozenConfig(BaseModel):
    """A frozen value that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


F = TypeVar("F", bound=FrozenConfig)


def parse_fields(kind: type[F], fields: Any, what: str) -> F:
    """Validate fields into a value, wording the first fault as one line."""
    if not isinstance(fields, dict):
        raise UserError(f"{what}: expected a mapping of fields, got {type(fields).__name__}")
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            raise unknown_name(f"field in {what}:", where, _names_at(kind, fault["loc"])) from error
        if fault["type"] == "missing":
            raise UserError(f"{what}: the field {where!r} is missing") from error
        reason = fault["msg"].removeprefix("Value error, ")
        raise UserError(f"{what}: {where}: {reason}; got {fault['input']!r}") from error


def read_yaml(path: Path) -> Any:
    """Read a YAML file, wording a fault as one line."""
    try:
        return yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def _names_at(kind: type[BaseModel], where: tuple) -> list[str]:
    """Name the fields known at the place of a fault, dotted like the place itself."""
    prefix, fields = "", kind.model_fields
    for part in where[:-1]:
        inner = fields[part].annotation if part in fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        prefix, fields = f"{prefix}{part}.", inner.model_fields
    return [prefix + name for name in fields]
