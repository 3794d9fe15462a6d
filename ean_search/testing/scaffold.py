"""Write the first form of a plug-in: a commented file that works and passes its check.

The files are in `templates/`; each has `plugin_name` and `PluginName` where the user's name goes.
"""

import ast
import importlib.util
import keyword
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ean_search.utils.errors import UserError

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Kind:
    """A kind of plug-in.

    Attributes:
        template: The file in `templates/`; its name begins with the kind's.
        commands: What to type next, with `plugin_name` and `PluginName`.
    """

    template: str
    commands: Sequence[str]


KINDS = {
    "attention": Kind(
        "attention.py.txt",
        (
            "python plugin_name.py  # checks it",
            "ean-search cost --space tiny --attention plugin_name:PluginName",
            "ean-search run --space tiny --attention plugin_name:PluginName",
        ),
    ),
    "searcher": Kind(
        "searcher.py.txt",
        (
            "python plugin_name.py  # checks it",
            "ean-search run --space tiny --searcher plugin_name:PluginName",
        ),
    ),
    "space": Kind(
        "space.yaml.txt",
        (
            "ean-search spaces plugin_name.yaml",
            "ean-search cost --space plugin_name.yaml",
            "ean-search run --space plugin_name.yaml",
        ),
    ),
    "dataset": Kind(
        "dataset.py.txt",
        (
            "python plugin_name.py  # checks it",
            "ean-search run --space tiny --data plugin_name:load",
        ),
    ),
}


def write_plugin(kind: str, name: str, folder: Path) -> Path:
    """Write the first form of a plug-in.

    Args:
        kind: A key of KINDS.
        name: The name of the file, without its ending; a Python identifier. The class in it has
            the same name in CamelCase.
        folder: Where to write the file.

    Returns:
        The file.

    Raises:
        UserError: If the name will not do, there is such a file, or it cannot be written.

    Example:
        >>> write_plugin("attention", "my_gate", Path())
        PosixPath('my_gate.py')
    """
    template = KINDS[kind].template
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    path = folder / f"{name}{Path(template.removesuffix('.txt')).suffix}"
    _check_name(kind, name)
    if path.exists():
        raise UserError(f"{path} exists already: give another name, or move that file away")
    if path.suffix == ".py":
        _check_hides_nothing(name, text)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(fill_in(text, name))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    return path


def next_commands(kind: str, name: str) -> list[str]:
    """Return what to type after `write_plugin`.

    Args:
        kind: The kind of the plug-in.
        name: Its name.
    """
    return [fill_in(command, name) for command in KINDS[kind].commands]


def class_name(name: str) -> str:
    """Write the name of a module as that of a class: `my_gate` as `MyGate`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def fill_in(text: str, name: str) -> str:
    """Put the name of a plug-in where a template has `plugin_name` and `PluginName`."""
    return text.replace("plugin_name", name).replace("PluginName", class_name(name))


def _check_name(kind: str, name: str) -> None:
    """Refuse what cannot be the name of a module, and of a class."""
    for each in (name, class_name(name)):
        if not each.isidentifier() or keyword.iskeyword(each) or name.startswith("_"):
            raise UserError(f"expected a Python identifier like my_{kind}, got {name!r}")


def _check_hides_nothing(name: str, text: str) -> None:
    """Refuse a module that would hide another one, and a class that would hide what it uses."""
    found = importlib.util.find_spec(name)
    if found is not None and found.origin is not None:  # a plain folder has no origin
        raise UserError(f"{name}.py would hide the Python module {name!r}: try my_{name}")
    if "PluginName" in text and (hidden := class_name(name)) in _names_in(text):
        raise UserError(f"{name}.py uses another {hidden!r} than its own: try my_{name}")


def _names_in(source: str) -> set[str]:
    """List the names that a file uses or imports."""
    nodes = list(ast.walk(ast.parse(source)))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    return used | {alias.asname or alias.name for node in imports for alias in node.names}
