"""Kills, full disks and pairs find what they are there to find."""

import random

import pytest

from ean_search.bench.attack.faults import fill_disk, kill_at_a_file, kill_at_a_moment, write_twice
from ean_search.bench.attack.ground import Ground
from tests.bench.attack.conftest import forget


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr("ean_search.bench.attack.faults.MAX_KILL_SECONDS", 0.02)
    monkeypatch.setattr("ean_search.bench.attack.faults.MAX_FILE_EVENTS", 3)


@pytest.mark.parametrize("attack", [kill_at_a_moment, kill_at_a_file, write_twice])
def test_a_history_that_holds_is_no_fault(attack, ground, tmp_path):
    for seed in range(6):
        assert attack(ground, random.Random(seed), tmp_path / str(seed)) == []


def test_a_history_that_is_lost_is_one(ground, tmp_path):
    forgetful = Ground(forget, ground.root)
    found = [
        kill_at_a_file(forgetful, random.Random(seed), tmp_path / str(seed)) for seed in range(6)
    ]
    assert ["another history"] in found


def test_a_command_that_does_not_expect_full_disks_is_found_out(ground, tmp_path):
    found = [fill_disk(ground, random.Random(seed), tmp_path / str(seed)) for seed in range(8)]
    assert any("full disk: traceback: OSError" in fault for faults in found for fault in faults)
