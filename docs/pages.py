"""The pages of the documentation that are written from the code and from `results/`.

Sphinx's settings call it, so that no page can be older than what it describes.
"""

import argparse
import ast
import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel

LONGEST_TABLE = 40  # rows of a benchmark that a page shows; the file has them all


def write_pages(root: Path, folder: Path) -> None:
    """Write all pages into a folder.

    Args:
        root: The repository.
        folder: Is made; a page whose text is the same is left alone, which keeps builds fast.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        path, text = folder / f"{name}.md", page(root)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    names = list(header)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(_cell(word) for word in line) + " |" for line in lines)


def _cell(word: object) -> str:
    return str(word).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def commands(root: Path) -> str:
    """Return every command with its flags, from the parsers."""
    from ean_search.cli.main import make_parser

    parts = [_command(parser) for parser in _parsers(make_parser())]
    return "\n\n".join(["# Commands", *parts]) + "\n"


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in dict.fromkeys(action.choices.values()):
                yield inner
                yield from _parsers(inner)


def _command(parser: argparse.ArgumentParser) -> str:
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    plain = [action for action in shown if not isinstance(action, argparse._SubParsersAction)]
    rows = [_flag(parser, action) for action in plain if action.dest != "help"]
    parts = [f"## {parser.prog}", parser.description or ""]
    return "\n\n".join([*parts, table(("argument", "default", "meaning"), rows) if rows else ""])


def _flag(parser: argparse.ArgumentParser, action: argparse.Action) -> tuple[str, str, str]:
    default = action.default
    said = "" if default in (None, False, argparse.SUPPRESS) else f"`{default}`"
    name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    meaning = parser._get_formatter()._expand_help(action) if action.help else ""
    chosen = "one of " + ", ".join(map(str, action.choices)) if action.choices else ""
    return f"`{name}`", said, "; ".join(filter(None, (meaning, chosen)))


def experiment(root: Path) -> str:
    """Return every field of an experiment's file, from the models."""
    from ean_search.runs.experiment import Experiment

    example = (root / "experiments" / "lite0_fashion.yaml").read_text(encoding="utf-8")
    rows = list(_fields(Experiment, ""))
    return (
        "# Fields of an experiment\n\nOf a file for `ean-search run --experiment FILE`; "
        "`--set FIELD=VALUE` changes one.\n\n"
        f"{table(('field', 'type', 'default'), rows)}\n\n## An example\n\n```yaml\n{example}```\n"
    )


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        default = (
            "required" if field.is_required() else field.get_default(call_default_factory=True)
        )
        if inner is not None:
            yield from _fields(inner, f"{prefix}{name}.")
        else:
            yield f"`{prefix}{name}`", f"`{_type_name(field.annotation)}`", f"`{_plain(default)}`"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    kinds = (annotation, *get_args(annotation))
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


def _type_name(annotation: Any) -> str:
    return (
        annotation.__name__ if type(annotation) is type else str(annotation).replace("typing.", "")
    )


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, MappingProxyType) else value


def events(root: Path) -> str:
    """Return the schema of the events that `--json` prints."""
    schema = json.loads((root / "docs" / "events.schema.json").read_text(encoding="utf-8"))
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    return (
        f"# Events of --json\n\nOne JSON object a line, by this schema:\n\n```json\n{text}\n```\n"
    )


def api(root: Path) -> str:
    """Return the public names, whose docstrings Sphinx fills in."""
    import ean_search

    parts = [_documented(name, getattr(ean_search, name)) for name in sorted(ean_search.__all__)]
    return "\n\n".join(["# Python API", *filter(None, parts)]) + "\n"


def _documented(name: str, thing: Any) -> str:
    if not callable(thing):
        return ""
    kind = "autoclass" if isinstance(thing, type) else "autofunction"
    return f"```{{eval-rst}}\n.. {kind}:: ean_search.{name}\n```"


def support(root: Path) -> str:
    """Return which attention goes into which family of timm, from `results/coverage.csv`."""
    rows = _read(root / "results" / "coverage.csv")
    names = sorted({row["attention"] for row in rows})
    cells = {(row["family"], row["attention"]): _supported(row) for row in rows}
    families = sorted({row["family"] for row in rows})
    lines = [(family, *(cells.get((family, name), "") for name in names)) for family in families]
    return (
        "# Families of timm\n\nA small variant of each family, built and probed by "
        "`python experiments/coverage.py`: the sites that were found, or why there are none.\n\n"
        f"{table(('family', *names), lines)}\n"
    )


def _supported(row: dict[str, str]) -> str:
    return f"{row['sites']} sites" if row["status"] == "ok" else row["reason"] or row["status"]


def benchmarks(root: Path) -> str:
    """Return the measurements that fit a page, from `results/*.csv`."""
    parts = ["# Benchmarks", "What the columns mean: [columns](../columns.md)."]
    for path in sorted((root / "results").glob("*.csv")):
        rows = _read(path)
        if path.stem != "coverage" and rows:
            note = f"The first {LONGEST_TABLE} of {len(rows)} rows." * (len(rows) > LONGEST_TABLE)
            lines = [row.values() for row in rows[:LONGEST_TABLE]]
            parts += [f"## {path.stem}", note, table(rows[0], lines)]
    return "\n\n".join(parts) + "\n"


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def log(root: Path) -> str:
    """Return the log of experiments; its links lead to the files of the repository."""
    text = (root / "experiments" / "README.md").read_text(encoding="utf-8")
    return re.sub(r"\]\((?!https?:|#)", "](../../experiments/", text)


def architecture(root: Path) -> str:
    """Return the package's folders, and which of them imports from which."""
    package = root / "ean_search"
    folders = sorted(path.parent for path in package.glob("*/__init__.py"))
    rows = [(f"`{f.name}`", _purpose(f), ", ".join(sorted(_imported(f)))) for f in folders]
    return (
        "# Architecture\n\nThe folders of the package; a test holds their imports to one "
        f"direction.\n\n{table(('folder', 'what lives in it', 'imports from'), rows)}\n"
    )


def _purpose(folder: Path) -> str:
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0]


def _imported(folder: Path) -> set[str]:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py"))
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    names = {(node.module or "").split(".")[1] for node in nodes if _is_ours(node)}
    return names - {folder.name}


def _is_ours(node: ast.ImportFrom) -> bool:
    return (node.module or "").startswith("ean_search.")


PAGES: dict[str, Callable[[Path], str]] = {
    "commands": commands,
    "experiment": experiment,
    "events": events,
    "api": api,
    "support": support,
    "benchmarks": benchmarks,
    "log": log,
    "architecture": architecture,
}
