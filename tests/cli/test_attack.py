"""The command `bench attack`."""

import pytest

from ean_search.bench.attack.runner import ATTACKS
from ean_search.cli.attack import COUNTS


def test_the_kinds_are_those_of_the_runner():
    assert list(COUNTS) == list(ATTACKS)


def test_kinds_are_checked(run_command, tmp_path):
    for kinds, words in (("wrong word", "did you mean 'wrong words'"), ("full disks:x", "NUMBER")):
        code, _, err = run_command("bench", "attack", "--work", tmp_path, "--kinds", kinds)
        assert code == 2
        assert words in err


@pytest.mark.slow
def test_an_attack_finds_nothing(run_command, tmp_path):
    kinds = ["wrong words:5", "wrong files:3", "kills at a file:1"]
    words = ["bench", "attack", "--work", tmp_path, "--output", tmp_path, "--kinds", *kinds]
    code, _, _ = run_command(*words)
    assert code == 0
    assert (tmp_path / "attack.csv").read_text().splitlines()[1:] == [
        "wrong words,1,5,0,", "wrong files,1,3,0,", "kills at a file,1,1,0,"
    ]  # fmt: skip
