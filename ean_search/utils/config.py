"""Frozen, validated values that are read from YAML files and command-line flags."""

from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ean_search.utils.errors import UserError, shorten, unknown_name
from ean_search.utils.yaml_files import parse_yaml

# Bounds of numbers beyond which only time and memory are lost.
MAX_IMAGE_SIZE = 4096  # pixels
MAX_BATCH_SIZE = 2**16
MAX_COUNT = 10**9  # of images, placements, epochs
MAX_PROCESSES = 10_000
MAX_SEED = 2**63 - 1


class FrozenConfig(BaseModel):
    """Base class of configurations: immutable after construction, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


F = TypeVar("F", bound=FrozenConfig)


def parse_fields(kind: type[F], fields: Any, what: str) -> F:
    """Validate a mapping of fields and build a configuration from it.

    Args:
        kind: The class of the configuration.
        fields: The mapping, as read from YAML or from flags.
        what: What the fields describe, such as "space tiny"; error messages begin with it.

    Returns:
        An instance of `kind`.

    Raises:
        UserError: If a field is unknown, missing or wrong; one line about the first such field.
    """
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
        raise UserError(f"{what}: {where}: {reason}; got {shorten(fault['input'])}") from error


def find_yaml(source: str | Path, shipped: Path, kind: str) -> Path:
    """Find a YAML file.

    Args:
        source: The path of a YAML file, or the name of one that comes with the package.
        shipped: The folder of those that come with the package.
        kind: What the file describes, such as "space"; for error messages.

    Raises:
        UserError: If there is no such file.
    """
    path = Path(source)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise UserError(f"no {kind} file at {path}")
        return path
    names = list_yaml(shipped)
    if str(source) not in names:
        raise unknown_name(kind, str(source), names)
    return shipped / f"{source}.yaml"


def list_yaml(folder: Path) -> list[str]:
    """List the names of the YAML files of a folder, without their ending."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_value(text: str) -> Any:
    """Read a value that was typed: as in YAML, where text that Python calls a number is one, too.

    Raises:
        UserError: If it is not YAML.

    Example:
        >>> read_value("true"), read_value("1e-3"), read_value("[2, 4]")
        (True, 0.001, [2, 4])
    """
    value = parse_yaml(text, shorten(text))
    with suppress(TypeError, ValueError):
        return float(value) if isinstance(value, str) else value
    return value


def _names_at(kind: type[BaseModel], where: tuple[int | str, ...]) -> list[str]:
    """List the known fields beside the field at `where`, as dotted names."""
    prefix, fields = "", kind.model_fields
    for part in map(str, where[:-1]):
        inner = fields[part].annotation if part in fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        prefix, fields = f"{prefix}{part}.", inner.model_fields
    return [prefix + name for name in fields]
