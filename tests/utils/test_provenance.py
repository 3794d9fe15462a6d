import json
import shutil
import subprocess

import pytest
import torch

from ean_search.utils import provenance as module
from ean_search.utils.provenance import PACKAGES, git_revision, hardware, provenance


def test_provenance_names_versions_and_hardware():
    made_with = provenance("cpu")
    assert made_with["packages"]["torch"]
    assert set(made_with["packages"]) == set(PACKAGES)
    assert made_with["hardware"] == hardware("cpu")
    assert "threads of" in made_with["hardware"]
    assert json.loads(json.dumps(made_with)) == made_with


def test_the_revision_is_a_hash_or_none():
    revision = git_revision()
    assert revision is None or len(revision.rstrip("+")) == 12


def test_the_hardware_of_a_gpu_is_its_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device}")
    assert hardware("cuda:1") == "GPU cuda:1"


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(module, "PACKAGES", ("torch", "not-installed"))
    assert provenance("cpu")["packages"]["not-installed"] is None


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Make a git checkout with one commit, and pretend that the package is in it."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    source = tmp_path / "provenance.py"
    source.write_text("")
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    commands = [["init"], ["add", "."], [*identity, "commit", "-m", "first"]]
    for command in commands:
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True, capture_output=True)
    monkeypatch.setattr(module, "__file__", str(source))
    return source


def test_the_revision_has_a_plus_if_files_were_changed(checkout):
    unchanged = git_revision()
    assert len(unchanged) == 12
    checkout.write_text("changed = True\n")
    assert git_revision() == unchanged + "+"


def test_outside_of_a_checkout_there_is_no_revision(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "__file__", str(tmp_path / "provenance.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_revision() is None
