"""Commands in forked processes, and how they end."""

import os
import time

import pytest

from ean_search.bench.attack.process import Command, Outcome


def fail(words):
    raise RuntimeError("broken")


def leave(words):
    raise SystemExit(3)


def refuse(words):
    print("no", *words)
    return 2


def sleep(words):
    time.sleep(60)
    return 0


@pytest.mark.parametrize(
    ("main", "code", "fault"),
    [(fail, 99, "traceback: RuntimeError: broken"), (leave, 3, "exit code 3: "), (refuse, 2, "")],
)
def test_ends_and_faults(main, code, fault, tmp_path):
    outcome = Command(main, ["a"], tmp_path / "out.txt").wait()
    assert (outcome.code, outcome.fault()) == (code, fault)


def test_what_does_not_end_is_a_hang(tmp_path):
    assert Command(sleep, [], tmp_path / "out.txt").wait(0.2).fault() == "hang"


def test_a_killed_command_is_no_fault_of_its_own_making(tmp_path):
    command = Command(sleep, [], tmp_path / "out.txt")
    command.kill()
    assert command.wait().code == -9


def test_processes_are_prepared(tmp_path):
    command = Command(refuse, [], tmp_path / "out.txt", lambda: os.write(1, b"ready "))
    assert command.wait().output == "ready no\n"


def test_a_refusal_says_why_and_soon():
    assert Outcome(2, 0.1, False, " \n").fault() == "exit code 2 without a word"
    assert Outcome(2, 11.0, False, "no").fault() == "hang"
    assert not Outcome(0, 11.0, False, "").fault()  # it worked
