"""The shape of the package: imports go downward, light modules stay light, files stay short."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ean_search"
# A module imports only from layers before its own, or from its own layer.
LAYERS = [
    set(names.split())
    for names in (
        "lookup fields files progress provenance cache allocator collector colours scalars gym_id "
        "workers",
        "search_spaces",
        "space trial objective env tables backbones",
        "positions sites network attention sampling tree latency memory recalibrate pretrained",
        "splits arithmetic loaders augment cluttered imagedata data scenes recipe train cost "
        "measure store",
        "racing faults evaluate standalone supernet searchers",
        "pareto plots",
        "standing loop folder",
        "history effects agreement policy",
        "findings",
        "figures pictures report dashboard",
        "tune",
        "experiment summary verify evaluators run bench explain checkpoint retraining comparison "
        "models export fold transfer transferring",
        "cli cli_bench cli_bench_train cli_evidence cli_export cli_flags cli_report cli_retrain "
        "cli_transfer cli_workers terminal live",
    )
]
LIGHT = (
    "space trial objective env cost store pareto plots folder cli tables "
    "history effects agreement policy findings figures pictures report"
).split()
PRINTING = ["terminal.py", *(path.name for path in PACKAGE.glob("cli*.py"))]
SOURCES = sorted(PACKAGE.rglob("*.py"))


def layer_of(module):
    return next((i for i, layer in enumerate(LAYERS) if module in layer), None)


def imported(source):
    for node in ast.walk(ast.parse(source.read_text())):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module
            and node.module.startswith("ean_search")
        ):
            inner = node.module.split(".")[1:]
            yield from [inner[0]] if inner else [alias.name for alias in node.names]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downward(source):
    module = source.relative_to(PACKAGE).with_suffix("").parts[0]
    if module == "__init__":
        return
    assert layer_of(module) is not None, f"{module} has no layer"
    above = [name for name in imported(source) if layer_of(name) > layer_of(module)]
    assert not above


def test_searchers_and_networks_do_not_know_each_other():
    searchers = [name for path in SOURCES if "searchers" in path.parts for name in imported(path)]
    assert not {"network", "sites", "attention", "tree", "evaluate"} & set(searchers)


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_itself_loads_nothing_heavy():
    heavy = {"torch", "ray", "optuna", "timm", "pandas", "numpy", "matplotlib", "gymnasium"}
    assert not loaded_by("import ean_search") & heavy
    assert not loaded_by("import ean_search.cli as c; c.make_parser().format_help()") & heavy


def test_analysis_never_loads_torch():
    imports = ", ".join(f"ean_search.{name}" for name in LIGHT)
    assert not loaded_by(f"import {imports}") & {"torch", "timm", "ray", "optuna"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_short(source):
    assert len(source.read_text().splitlines()) <= 300


def test_only_the_command_line_prints():
    for source in SOURCES:
        calls = [n for n in ast.walk(ast.parse(source.read_text())) if isinstance(n, ast.Call)]
        names = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
        assert "print" not in names or source.name in PRINTING


def test_the_readme_names_every_module():
    readme = (PACKAGE.parent / "README.md").read_text()
    top = [path.name for path in PACKAGE.glob("*.py")] + ["attention/", "searchers/", "backbones/"]
    assert not [name for name in [*top, "tables/"] if name not in readme]


def test_public_names_exist():
    import ean_search

    for name in ean_search.__all__:
        assert getattr(ean_search, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = ean_search.nothing


def test_the_readmes_example_runs(monkeypatch, tmp_path, capsys):
    readme = (PACKAGE.parent / "README.md").read_text()
    example = readme.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert "Cost(sites=" in capsys.readouterr().out
