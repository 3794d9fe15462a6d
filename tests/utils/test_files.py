import json
from pathlib import Path

import pytest
import torch
from torch import nn

from ean_search.core.space import load_space
from ean_search.networks.builder import build
from ean_search.utils.errors import UserError
from ean_search.utils.files import (
    cache_dir,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_json,
    save_weights,
)


class Payload:
    def __reduce__(self):
        return print, ("code of theirs ran",)


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "value.json"
    save_json({"a": 1}, path)
    with pytest.raises(TypeError):
        save_json({"a": object()}, path)
    assert json.loads(path.read_text()) == {"a": 1}


def test_shared_weights_survive_their_file(tmp_path):
    space = load_space("resnet18_shared")
    network, other = build(space, seed=0), build(space, seed=1)
    save_weights(network, tmp_path / "net.safetensors")
    load_weights(other, tmp_path / "net.safetensors")
    state = other.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_weights_that_do_not_fit_say_so(tmp_path):
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


def test_the_cache_lies_in_the_home_unless_told_otherwise(no_home, monkeypatch):
    assert cache_dir() == no_home / "home/.cache/ean-search"
    monkeypatch.setenv("XDG_CACHE_HOME", str(no_home / "shared"))
    assert cache_dir() == no_home / "shared/ean-search"
    monkeypatch.setenv("EAN_SEARCH_CACHE", str(no_home / "own"))
    assert cache_dir() == no_home / "own"


def test_folders_are_made_on_demand(no_home, monkeypatch):
    monkeypatch.setenv("EAN_SEARCH_CACHE", str(no_home / "own"))
    assert cache_dir("costs", "cpu").is_dir()
    assert cache_dir("costs", "cpu") == no_home / "own/costs/cpu"
