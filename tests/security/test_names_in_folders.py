"""Names of plug-ins in a stranger's files are read, shown and never imported."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import ean_search
from ean_search.analysis.run_analysis import RunAnalysis
from ean_search.cli.main import main
from ean_search.networks import timm_models  # noqa: F401
from ean_search.utils.errors import UserError
from tests.helpers import SMALL_RUN

FIELDS = {
    "searcher": ("search__searcher", "Searcher"),
    "attention": ("space__attention", "Attention"),
    "backbone": ("space__backbone", "backbone"),
    "data": ("data__name", "load"),
}
READERS = ("resume", "retrain", "explain", "export", "prune", "bench racing", "transfer")


def run_reader(command, run, *more):
    words = [*command.split(), str(run), *map(str, more)]
    task = "--task detect --scratch --images 16".split()
    return main(words + task * (command == "transfer"))


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("command", READERS)
def test_no_command_imports_what_a_run_names(command, field, strangers_run, trap, capsys):
    key, attribute = FIELDS[field]
    run = strangers_run(**{key: f"{trap.name}:{attribute}"})
    assert run_reader(command, run) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert not trap.sprung
    if command not in ("export", "prune"):  # there is no training yet, and they say so
        names = f"names {trap.name}:{attribute}; run with --trust {trap.name} if it is yours"
        assert names in line


@pytest.mark.slow
@pytest.mark.parametrize("field", FIELDS)
def test_looking_at_a_run_imports_nothing_that_it_names(field, strangers_run, trap):
    key, attribute = FIELDS[field]
    run = strangers_run(**{key: f"{trap.name}:{attribute}"})
    assert main(["report", str(run), "--png"]) == 0
    analysis = RunAnalysis(run)
    assert analysis.policy is None
    assert len(analysis.front())
    assert not trap.sprung


def test_a_dashboard_imports_nothing_that_its_run_names(strangers_run, trap):
    from ean_search.analysis.optuna_dashboard import dashboard

    run = strangers_run(space__attention=f"{trap.name}:Attention")
    with dashboard(ean_search.load_run(run), "localhost", 0):
        pass
    assert not trap.sprung


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("search__searcher", "pydoc:pipepager"),
        ("space__backbone", "torch.hub:load"),
        ("space__backbone", "local-dir:/tmp/evil"),
        ("space__backbone", "hf-hub:someone/evil"),
        ("space__attention", "os:system"),
        ("data__name", "subprocess:run"),
        ("data__name", "timm:wds/evil"),
    ],
)
def test_installed_modules_are_no_exception(key, value, strangers_run, capsys):
    assert main(["resume", str(strangers_run(**{key: value}))]) == 2
    assert value in capsys.readouterr().err


def test_a_space_of_a_strangers_run_cannot_be_built(strangers_run, trap):
    run = ean_search.load_run(strangers_run(space__attention=f"{trap.name}:Attention"))
    assert run.space.attention[0].name == f"{trap.name}:Attention"  # it can be shown
    for use in (ean_search.build, ean_search.measure_costs):
        with pytest.raises(UserError, match=f"--trust {trap.name}"):
            use(run.space, classes=10)
    with pytest.raises(UserError, match=f"--trust {trap.name}"):
        ean_search.probe(run.space)
    copy = ean_search.load_space(run.space, image_size=64)
    with pytest.raises(UserError, match="--trust"):
        ean_search.build(copy, 10)
    assert not trap.sprung


def test_all_names_are_listed_at_once(strangers_run):
    run = strangers_run(search__searcher="a:S x=1", space__attention=["se", {"name": "b.c:D"}])
    with pytest.raises(UserError, match=r"names b.c:D, a:S; run with --trust b.c,a if they are"):
        ean_search.load_experiment(run / "experiment.yaml")


def test_a_name_cannot_write_on_the_terminal(strangers_run):
    run = strangers_run(search__searcher="a\x1b[2J:" + "S" * 1000)
    with pytest.raises(UserError) as caught:
        ean_search.load_experiment(run / "experiment.yaml")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("as_space", [False, True])
def test_a_base_beside_a_run_is_not_read(as_space, strangers_run, trap):
    run = strangers_run()
    evil = {"search": {"searcher": f"{trap.name}:Searcher"}}
    space = {"name": "x", "backbone": "resnet18", "attention": f"{trap.name}:Attention"}
    (run / "evil.yaml").write_text(yaml.safe_dump(space if as_space else evil))
    file = run / "experiment.yaml"
    fields = yaml.safe_load(file.read_text())
    fields |= {"space": {"base": str(run / "evil.yaml")}} if as_space else {"base": "evil.yaml"}
    file.write_text(yaml.safe_dump(fields))
    with pytest.raises(UserError, match="builds on no other file"):
        ean_search.load_experiment(file)
    assert not trap.sprung


def test_a_file_of_the_users_own_may_build_on_a_run_but_not_on_its_plugins(
    strangers_run, trap, tmp_path
):
    run = strangers_run(search__searcher=f"{trap.name}:Searcher")
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"base": str(run / "experiment.yaml"), "seed": 3}))
    with pytest.raises(UserError, match="--trust"):
        ean_search.load_experiment(mine)
    assert not trap.sprung
    own = ean_search.load_experiment(mine, {"search.searcher": "random"})  # overridden
    assert own.seed == 3
    trusted = ean_search.load_experiment(mine, trust=[trap.name])
    assert trusted.search.searcher == f"{trap.name}:Searcher"


@pytest.mark.slow
def test_a_run_of_the_users_own_needs_no_trust_until_it_is_somebody_elses(trap, tmp_path, capsys):
    names = {"search.searcher": f"{trap.name}:Searcher"}
    run = ean_search.start_run(
        ean_search.load_experiment(None, SMALL_RUN | names), tmp_path / "run"
    )
    ean_search.do_run(tmp_path / "run")  # as `resume` does
    assert run.summary_file.is_file()
    # A copy is not the run that was started here, and neither is another folder in its place.
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    assert main(["resume", str(tmp_path / "copy")]) == 2
    provenance = json.loads(run.provenance_file.read_text())
    run.provenance_file.write_text(json.dumps(provenance | {"run_id": "0" * 32}))
    assert main(["resume", str(run.path)]) == 2
    assert main(["resume", str(run.path), "--trust", trap.name]) == 0
    run.provenance_file.write_text(json.dumps(provenance))
    assert main(["resume", str(run.path)]) == 0
    # What was not named when it was started is not trusted either.
    fields = yaml.safe_load(run.experiment_file.read_text())
    fields["search"]["searcher"] = "pydoc:pipepager"
    run.experiment_file.write_text(yaml.safe_dump(fields))
    capsys.readouterr()
    assert main(["resume", str(run.path)]) == 2
    assert "pydoc:pipepager" in capsys.readouterr().err


def test_a_table_of_a_strangers_imports_nothing(trap, tmp_path):
    from pyarrow import parquet

    from ean_search.search.tabular import placement_bench

    table = parquet.read_table(placement_bench.SHIPPED / "five.parquet")
    metadata = json.loads(table.schema.metadata[placement_bench.METADATA_KEY])
    metadata["experiment"]["space"]["attention"] = [{"name": f"{trap.name}:Attention"}]
    value = {placement_bench.METADATA_KEY: json.dumps(metadata)}
    parquet.write_table(table.replace_schema_metadata(value), tmp_path / "evil.parquet")
    words = ["bench", "supernet", "--table", str(tmp_path / "evil.parquet")]
    assert main([*words, "--output", str(tmp_path / "out")]) == 2
    assert not trap.sprung


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        ("--attention", "json:loads"),
        ("--attention", "builtins:dict"),
        ("--attention", "torch.nn:Linear"),
        ("--searcher", "json:loads"),
        ("--searcher", "builtins:dict"),
        ("--searcher", "torch.nn:Linear"),
        ("--backbone", "json:loads"),
        ("--backbone", "builtins:dict"),
        ("--backbone", "torch.nn:Linear"),
        ("--backbone", "builtins:print"),
        ("--data", "json:loads"),
        ("--data", "builtins:dict"),
        ("--data", "torch.nn:Linear"),
        ("--data", "math:pi"),
    ],
)
def test_what_is_of_another_kind_is_one_line(flag, name, tmp_path, capsys):
    words = ["run", "--results", str(tmp_path), flag, name]
    words += ["--space", "tiny"] * (flag != "--backbone")
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert name in error
    assert not list(tmp_path.iterdir())


def run_in(folder, *words):
    command = str(Path(sys.executable).with_name("ean-search"))
    done = subprocess.run([command, *words], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_modules_in_a_run_folder_are_not_imported(strangers_run):
    run = strangers_run()
    for name in ("jinja2", "plotly", "pandas", "yaml", "kaleido", "orjson", "my_attn"):
        (run / f"{name}.py").write_text(f"open({name + '.sprung'!r}, 'w')")
    (run / "matplotlibrc").write_text("backend: module://my_attn\n")
    code, _, error = run_in(run, "report", ".", "--png")
    assert (code, error) == (0, "")
    fields = yaml.safe_load((run / "experiment.yaml").read_text())
    fields["search"]["searcher"] = "my_attn:S"
    (run / "experiment.yaml").write_text(yaml.safe_dump(fields))
    code, _, error = run_in(run, "resume", ".", "--trust", "my_attn")
    assert code == 2
    assert "no module named 'my_attn'" in error
    (run / "provenance.json").unlink()  # without this it does not look like a run from outside
    for file in ("costs.json", "trials.jsonl", "summary.json"):
        (run / file).unlink()
    code, _, error = run_in(run, "resume", ".", "--trust", "my_attn")
    assert code == 2
    assert "no module named 'my_attn'" in error
    assert not list(run.glob("*.sprung"))


@pytest.mark.slow
def test_plugins_in_the_current_folder_are_found(tmp_path):
    (tmp_path / "my_helper.py").write_text("")
    text = "from torch.nn import Identity\nclass Mine(Identity):\n"
    text += "    def forward(self, x):\n        import my_helper\n        return x\n"
    (tmp_path / "my_attn.py").write_text(text)
    words = ("cost", "--space", "tiny", "--attention", "my_attn:Mine", "--no-unit-gate")
    code, out, error = run_in(tmp_path, *words)
    assert code == 0, error
    assert "x none" in out
