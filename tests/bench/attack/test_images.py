"""Hostile images are what they are called."""

import random

import pytest

from ean_search.bench.attack.ground import Ground
from ean_search.bench.attack.images import HOSTILE, hostile_image


@pytest.mark.parametrize("kind", sorted(set(HOSTILE) - {"bomb"}))
def test_kinds(kind, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("ean_search.bench.attack.images.HOSTILE", {kind: HOSTILE[kind]})
    ground = Ground(lambda words: calls.append(words) or 2, tmp_path / "ground")
    (tmp_path / "ground").mkdir()
    faults = hostile_image(ground, random.Random(0), tmp_path / "ground" / "a")
    assert faults == [f"{kind}: exit code 2 without a word"]  # of a command that says nothing
