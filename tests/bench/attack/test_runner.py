"""Attacks are counted, logged and not done again."""

import pytest

from ean_search.bench.attack import runner
from ean_search.utils.jsonl import read_rows
from tests.bench.attack.conftest import pretend


@pytest.fixture(autouse=True)
def simple(monkeypatch):
    def attack(ground, rng, folder):
        folder.mkdir()
        return ["it broke"] if folder.name.endswith("-1") else []

    monkeypatch.setattr(runner, "ATTACKS", {"wrong words": attack})
    monkeypatch.setattr(runner, "import_all", lambda: None)


def test_counts_and_log(tmp_path):
    frame = runner.bench_attack(pretend, tmp_path, {"wrong words": 3}, seed=5)
    assert frame.to_dict("records") == [
        {"attack": "wrong words", "seed": 5, "count": 3, "faults": 1, "first": "it broke"}
    ]
    assert (tmp_path / "wrong-words-5-1").is_dir()  # to look at
    assert not (tmp_path / "wrong-words-5-0").exists()
    again = runner.bench_attack(None, tmp_path, {"wrong words": 3}, seed=5)
    assert again.equals(frame)
    runner.bench_attack(None, tmp_path, {"wrong words": 4}, seed=5)
    assert [row["number"] for row in read_rows(tmp_path / runner.LOG_NAME)] == [0, 1, 2, 3]
