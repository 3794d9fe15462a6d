"""Versions of formats: older ones are read, newer ones refused in one line."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import ean_search
from ean_search.costs.table import CostTable
from ean_search.retrain.checkpoint import open_checkpoint
from ean_search.utils.errors import UserError
from ean_search.utils.files import load_checkpoint, save_checkpoint
from ean_search.utils.formats import FORMATS, check_format
from tests.helpers import describe_training, write_checkpoint

EXAMPLE = Path(__file__).parents[2] / "results" / "example"
NEWER = r"was written by a newer ean-search: format 99"


@pytest.mark.parametrize("kind", FORMATS)
def test_older_versions_are_read(kind):
    check_format(None, kind, "it")
    check_format(FORMATS[kind], kind, "it")


@pytest.mark.parametrize("value", [0, -1, True, "1", 1.5, []])
def test_what_is_no_version_is_refused(value):
    with pytest.raises(UserError, match="it: format: expected a version"):
        check_format(value, "run", "it")


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_newer_runs(tmp_path):
    run = ean_search.load_run(shutil.copytree(EXAMPLE, tmp_path / "run"))
    edit(run.provenance_file, format=99)
    with pytest.raises(UserError, match=NEWER):
        ean_search.load_run(run.path)


def test_newer_cost_tables(tmp_path):
    table = CostTable.load(EXAMPLE / "costs.json")
    table.save(tmp_path / "costs.json")
    assert CostTable.load(tmp_path / "costs.json") == table
    edit(tmp_path / "costs.json", format=99)
    with pytest.raises(UserError, match=NEWER):
        CostTable.load(tmp_path / "costs.json")


def test_newer_trainings(tmp_path):
    checkpoint = write_checkpoint(tmp_path / "net", describe_training())
    edit(checkpoint.description_file, format=99)
    with pytest.raises(UserError, match=NEWER):
        _ = open_checkpoint(checkpoint.path).description


def test_newer_checkpoints(tmp_path):
    path = tmp_path / "state"
    save_checkpoint({"epoch": 3}, path)
    assert load_checkpoint(path) == {"epoch": 3}
    torch.save({"epoch": 3}, path)
    assert load_checkpoint(path) == {"epoch": 3}  # of an older version
    torch.save({"epoch": 3, "format": 99}, path)
    with pytest.raises(UserError, match=NEWER):
        load_checkpoint(path)
