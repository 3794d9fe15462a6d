import json
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from ean_search.core.space import load_space
from ean_search.networks.builder import build
from ean_search.utils.errors import UserError
from ean_search.utils.files import (
    cache_dir,
    check_same_settings,
    load_checkpoint,
    load_weights,
    read_json,
    save_checkpoint,
    save_json,
    save_weights,
)


class Payload:
    def __reduce__(self):
        return print, ("code in the file was executed",)


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "value.json"
    save_json({"a": 1}, path)
    with pytest.raises(TypeError):
        save_json({"a": object()}, path)
    assert json.loads(path.read_text()) == {"a": 1}


def test_a_failed_write_leaves_no_half_file(tmp_path):
    with pytest.raises(TypeError):
        save_json({"a": object()}, tmp_path / "value.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_files_have_the_permissions_that_the_umask_gives(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        for _ in range(2):  # the second time, over what is there
            save_weights(nn.Linear(2, 3), tmp_path / "net.safetensors")
            save_json({}, tmp_path / "value.json")
            save_checkpoint({"a": 1}, tmp_path / "state.pt")
            assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {mode}
    finally:
        os.umask(before)


def test_shared_weights_are_saved_and_loaded(tmp_path):
    space = load_space("resnet18_shared")
    network, other = build(space, seed=0), build(space, seed=1)
    save_weights(network, tmp_path / "net.safetensors")
    load_weights(other, tmp_path / "net.safetensors")
    state = other.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_weights_that_do_not_fit_are_refused(tmp_path):
    save_weights(nn.Linear(2, 3), tmp_path / "net.safetensors")
    with pytest.raises(UserError, match="does not fit this network"):
        load_weights(nn.Linear(3, 3), tmp_path / "net.safetensors")
    with pytest.raises(UserError, match="no weights at"):
        load_weights(nn.Linear(3, 3), tmp_path / "none.safetensors")
    (tmp_path / "net.safetensors").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="not a readable weight file"):
        load_weights(nn.Linear(2, 3), tmp_path / "net.safetensors")


def test_opening_a_checkpoint_runs_no_code(tmp_path, capsys):
    path = tmp_path / "state.pt"
    torch.save({"network": Payload()}, path)
    with pytest.raises(UserError, match="not a readable checkpoint"):
        load_checkpoint(path)
    assert capsys.readouterr().out == ""
    save_checkpoint({"network": {"w": torch.ones(2)}, "history": [{"loss": 1.0}]}, path)
    assert load_checkpoint(path)["history"] == [{"loss": 1.0}]


@pytest.fixture
def no_home(monkeypatch, tmp_path):
    for name in ("EAN_SEARCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    return tmp_path


def test_the_cache_is_in_the_home_folder_unless_a_variable_is_set(no_home, monkeypatch):
    assert cache_dir() == no_home / "home/.cache/ean-search"
    monkeypatch.setenv("XDG_CACHE_HOME", str(no_home / "shared"))
    assert cache_dir() == no_home / "shared/ean-search"
    monkeypatch.setenv("EAN_SEARCH_CACHE", str(no_home / "own"))
    assert cache_dir() == no_home / "own"


def test_cache_folders_are_created(no_home, monkeypatch):
    monkeypatch.setenv("EAN_SEARCH_CACHE", str(no_home / "own"))
    assert cache_dir("costs", "cpu").is_dir()
    assert cache_dir("costs", "cpu") == no_home / "own/costs/cpu"


SETTINGS = {"recipe": {"epochs": 3, "lr": 0.1}, "seed": 0, "device": "cpu"}
ADVICE = "give another folder"


def check(path, **changes):
    check_same_settings(SETTINGS | changes, path, advice=ADVICE, movable={"device"})


def test_the_first_settings_are_written_and_the_same_ones_are_accepted(tmp_path):
    path = tmp_path / "new" / "settings.json"
    check(path)
    assert read_json(path) == SETTINGS
    check(path)
    assert [file.name for file in path.parent.iterdir()] == ["settings.json"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "see settings.json: seed was 0, not 1; give another folder"),
        ({"recipe": {"epochs": 3, "lr": 0.2}}, "recipe.lr was 0.1, not 0.2; "),
        ({"recipe": {"epochs": 3}}, "recipe.lr was 0.1, not None; "),
        ({"extra": True}, "extra was None, not True; "),
    ],
)
def test_other_settings_are_refused_with_the_field_that_differs(tmp_path, changes, message):
    path = tmp_path / "settings.json"
    check(path)
    with pytest.raises(UserError, match=message):
        check(path, **changes)
    assert read_json(path) == SETTINGS


def test_fields_that_change_no_result_may_differ(tmp_path):
    path = tmp_path / "settings.json"
    check(path)
    check(path, device="cuda")


def test_tuples_are_equal_to_the_lists_that_json_makes_of_them(tmp_path):
    path = tmp_path / "settings.json"
    check(path, stages=(3, 4))
    check(path, stages=(3, 4))


def test_stored_settings_can_be_read_in_another_way(tmp_path):
    path = tmp_path / "settings.json"
    check(path)
    upgraded = SETTINGS | {"seed": 1}
    check_same_settings(upgraded, path, advice=ADVICE, read=lambda: upgraded)


def test_a_json_file_that_does_not_exist_reads_as_none(tmp_path):
    assert read_json(tmp_path / "none.json") is None
