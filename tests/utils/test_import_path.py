"""Which folders modules are imported from."""

import importlib
import sys

import pytest

from ean_search.utils import import_path
from ean_search.utils.errors import UserError
from ean_search.utils.import_path import (
    find_plugins_in,
    is_data_folder,
    plugin_path,
    treat_as_data,
)
from ean_search.utils.registry import load_attribute


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    monkeypatch.setattr(import_path, "_data_folders", set())
    monkeypatch.setattr(import_path, "_plugin_folders", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)


def test_runs_and_trainings_are_data(tmp_path):
    (tmp_path / "experiment.yaml").write_text("")
    assert not is_data_folder(tmp_path)  # any project may have one
    (tmp_path / "trials.jsonl").write_text("")
    assert is_data_folder(tmp_path)
    assert is_data_folder(tmp_path / "retrain" / "x")
    assert not is_data_folder(tmp_path.parent)


def test_plugins_come_first_while_they_are_imported_and_last_afterwards(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plug_in_of_mine.py").write_text("X = 3")
    find_plugins_in(tmp_path)
    assert str(tmp_path) not in sys.path
    with plugin_path():
        assert sys.path[0] == str(tmp_path)
    assert sys.path[-1] == str(tmp_path)
    assert load_attribute("plug_in_of_mine:X") == 3


@pytest.mark.parametrize("entry", ["", "."])
def test_the_current_folder_is_not_on_the_path_if_it_is_data(tmp_path, monkeypatch, entry):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "training.json").write_text("{}")
    (tmp_path / "not_to_be_imported.py").write_text("")
    sys.path.insert(0, entry)
    find_plugins_in(tmp_path)
    assert entry not in sys.path
    with pytest.raises(UserError, match="no module named"):
        load_attribute("not_to_be_imported:X")
    assert import_path.os.environ["PYTHONSAFEPATH"] == "1"  # for the processes that we start


def test_a_folder_that_was_opened_is_data_from_then_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "opened_as_data.py").write_text("")
    sys.path[:0] = ["", str(tmp_path)]
    find_plugins_in(tmp_path)
    treat_as_data(tmp_path)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("opened_as_data")
    with pytest.raises(UserError, match="no module named"):
        load_attribute("opened_as_data:X")
