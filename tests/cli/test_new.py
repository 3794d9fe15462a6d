"""`new`: what it writes works in the commands that it names."""

import importlib
import sys

import pytest

from ean_search.analysis.run_folder import load_run


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Type the commands in a folder of one's own, and forget the modules written there."""
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    importlib.invalidate_caches()
    yield
    for name in set(sys.modules) - before:
        if not name.startswith(("ean_search", "timm", "torch")):
            del sys.modules[name]


def test_a_new_attention_is_priced(run_command):
    code, out, _ = run_command("new", "attention", "scaled")
    assert code == 0
    assert out.startswith("scaled.py works as it is")
    command = "cost --space tiny --attention scaled:Scaled"
    assert f"ean-search {command}\n" in out
    code, out, _ = run_command(*command.split())
    assert code == 0
    assert "1-1-1-1" in out


@pytest.mark.slow
def test_a_new_searcher_searches_a_new_space_with_new_data(run_command, small_run_flags):
    for kind, name in (("searcher", "hopper"), ("space", "own"), ("dataset", "bands")):
        code, _, _ = run_command("new", kind, name)
        assert code == 0
    code, out, _ = run_command("spaces", "own.yaml")
    assert (code, "resnet10t" in out, "1-1-1-1" in out) == (0, True, True)
    words = "run --space own.yaml --searcher hopper:Hopper --data bands:load --name a"
    code, out, err = run_command(*words.split(), *small_run_flags)
    assert code == 0, err
    run = load_run("results/own/a")
    assert run.fields["data"]["name"] == "bands:load"
    assert len(run.read_trials()) == 6


def test_files_of_the_users_are_left_alone(run_command, tmp_path):
    (tmp_path / "mine.py").write_text("# mine\n")
    code, _, err = run_command("new", "attention", "mine")
    assert (code, err) == (
        2,
        "ean-search: mine.py exists already: give another name, or move that file away\n",
    )
    assert (tmp_path / "mine.py").read_text() == "# mine\n"


def test_names_must_be_importable(run_command):
    code, _, err = run_command("new", "searcher", "my-searcher")
    assert code == 2
    assert err == "ean-search: expected a Python identifier like my_searcher, got 'my-searcher'\n"
