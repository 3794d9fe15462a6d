"""The shape of the package: imports go down, light folders stay light, files stay short."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ean_search"
# The law: a module imports from its own folder and from folders before it, never from later ones.
FOLDERS = (
    "utils core data attention networks training costs search testing evaluation analysis "
    "distributed runs retrain bench cli"
).split()
FILES_AT_THE_TOP = {"__init__.py", "__init__.pyi", "py.typed"}
# What is not an order: pairs of folders that must not know each other, in either direction.
STRANGERS = [("search", "networks"), ("search", "attention"), ("search", "evaluation")]
WITHOUT_TORCH = ("core", "search", "analysis")
# The published controller is written with torch, and loaded by its name only.
NEEDS_TORCH = {"search/searchers/ean.py", "search/searchers/rnd.py"}
MAX_PARAMETERS = 7
# The one call that takes all a user has; constructors of frozen values are not functions.
ONE_CALL = {"runs/search_attention.py: search_attention"}
SOURCES = sorted(PACKAGE.rglob("*.py"))


def name_of(source):
    return str(source.relative_to(PACKAGE))


def parameters(function):
    """List the names of a function's parameters, the object it belongs to apart."""
    given = function.args
    names = [p.arg for p in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def imported(source):
    """Yield the folders that a module imports from."""
    for node in ast.walk(ast.parse(source.read_text())):
        modules = []
        if isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        for module in modules:
            package, *parts = module.split(".")
            if package == "ean_search":
                yield parts[0] if parts else ""


def test_the_top_holds_folders_and_the_public_names_only():
    entries = {path.name for path in PACKAGE.iterdir()} - {"__pycache__"}
    assert entries == {*FOLDERS, *FILES_AT_THE_TOP}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_says_what_lives_in_it(folder):
    docstring = ast.get_docstring(ast.parse((PACKAGE / folder / "__init__.py").read_text()))
    assert docstring
    assert "import" in docstring  # and what it may import


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_imports_go_down(source):
    folder = source.relative_to(PACKAGE).parts[0]
    if folder == "__init__.py":
        return
    allowed = {*FOLDERS[: FOLDERS.index(folder) + 1], "search_spaces"}
    assert set(imported(source)) <= allowed


@pytest.mark.parametrize(("one", "other"), STRANGERS)
def test_folders_that_do_not_know_each_other(one, other):
    for folder, stranger in ((one, other), (other, one)):
        known = {name for path in (PACKAGE / folder).rglob("*.py") for name in imported(path)}
        assert stranger not in known


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_itself_loads_nothing_heavy():
    heavy = {"torch", "ray", "optuna", "timm", "pandas", "numpy", "matplotlib", "gymnasium"}
    assert not loaded_by("import ean_search") & heavy
    help_text = "import ean_search.cli.main as c; c.make_parser().format_help()"
    assert not loaded_by(help_text) & heavy


@pytest.mark.slow
@pytest.mark.parametrize("folder", WITHOUT_TORCH)
def test_folders_without_torch(folder):
    sources = [
        path for path in (PACKAGE / folder).rglob("*.py") if name_of(path) not in NEEDS_TORCH
    ]
    paths = [path.relative_to(PACKAGE.parent).with_suffix("") for path in sources]
    modules = ", ".join(".".join(path.parts).removesuffix(".__init__") for path in paths)
    assert not loaded_by(f"import {modules}") & {"torch", "timm", "ray"}


def test_files_are_short():
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_functions_have_few_parameters():
    many = [
        f"{name_of(path)}: {function.name}"
        for path in SOURCES
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        and function.name != "__init__"
        and len(parameters(function)) > MAX_PARAMETERS
    ]
    assert set(many) <= ONE_CALL, "group them in a frozen value"


def test_every_module_has_a_test_file_of_its_name():
    modules = [path.relative_to(PACKAGE) for path in SOURCES if path.name != "__init__.py"]
    tests = [Path(__file__).parent / path.with_name(f"test_{path.name}") for path in modules]
    assert [str(path) for path in tests if not path.is_file()] == []


@pytest.mark.slow
def test_only_the_command_line_prints():
    for source in SOURCES:
        calls = [n for n in ast.walk(ast.parse(source.read_text())) if isinstance(n, ast.Call)]
        names = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
        assert "print" not in names or source.parent.name == "cli"


def test_public_names_exist():
    import ean_search

    for name in ean_search.__all__:
        assert getattr(ean_search, name) is not None
        assert name not in FOLDERS  # a folder, once imported, would hide the name
    with pytest.raises(AttributeError, match="nothing"):
        _ = ean_search.nothing


@pytest.mark.slow
def test_the_readmes_example_runs(monkeypatch, tmp_path, capsys):
    readme = (PACKAGE.parent / "README.md").read_text()
    example = readme.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert "Cost(sites=" in capsys.readouterr().out
