"""Folders of strangers, and a trap that says whether they made this process run something."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

EXAMPLE = Path(__file__).parents[2] / "results" / "example"
TRAP = """
import pathlib
pathlib.Path(__file__).with_name("sprung").write_text("")
from torch import nn
from ean_search.data.datasets import load_cluttered as load
from ean_search.search.searchers.random import RandomSearch as Searcher
class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
    def forward(self, x):
        return x
def backbone(**args):
    import timm
    return timm.create_model("test_resnet", **args)
"""


class Trap:
    """A module that notes that it was imported."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self._mark = name, folder / "sprung"
        (folder / f"{name}.py").write_text(TRAP)

    @property
    def sprung(self) -> bool:
        """Whether something imported the module."""
        return self._mark.exists()


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """Put a module on the import path that nobody may import unasked."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    name = f"trap_{tmp_path.name.replace('-', '_')}"
    yield Trap(folder, name)
    sys.modules.pop(name, None)


@pytest.fixture
def strangers_run(tmp_path):
    """Return a function that makes a run folder whose experiment has other fields."""

    def make(name="theirs", **changes):
        folder = tmp_path / name
        shutil.copytree(EXAMPLE, folder)
        file = folder / "experiment.yaml"
        fields = yaml.safe_load(file.read_text())
        for dotted, value in changes.items():
            *path, last = dotted.split("__")
            inner = fields
            for key in path:
                inner = inner[key]
            inner[last] = value
        file.write_text(yaml.safe_dump(fields))
        return folder

    return make


@pytest.fixture
def write_json():
    def write(path, value):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))

    return write
