"""Kills, full disks and pairs of writers; afterwards, a run must end as if nothing had happened."""

import errno
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ean_search.bench.attack.ground import Ground, accuracy, history, retrain_words, run_words
from ean_search.bench.attack.process import Outcome

MAX_FILE_EVENTS = 60  # about as many as a small run has
MAX_KILL_SECONDS = 4.0
MAX_FILE_BYTES = 3_000_000  # the weights of the small network take most
FILE_EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.truncate", "os.rmdir", "os.chmod"}
Prepare = Callable[[], Any]
Task = tuple[Path, list[object], list[object], bool]  # run, first words, later ones, a training?


def kill_at_a_moment(ground: Ground, rng: random.Random, folder: Path) -> list[str]:
    """Kill a command after a random time, and finish what it did."""
    task = _choose(ground, rng, folder)
    command = ground.start(folder, task[1])
    time.sleep(rng.uniform(0, MAX_KILL_SECONDS))
    command.kill()
    return [*_after_kill(command.wait()), *_finish(ground, folder, task)]


def kill_at_a_file(ground: Ground, rng: random.Random, folder: Path) -> list[str]:
    """Let a command be killed just before one of its file operations, and finish what it did."""
    task = _choose(ground, rng, folder)
    at = partial(_at_event, folder, rng.randrange(MAX_FILE_EVENTS), _kill_this)
    return [*_after_kill(ground.run(folder, task[1], at)), *_finish(ground, folder, task)]


def fill_disk(ground: Ground, rng: random.Random, folder: Path) -> list[str]:
    """Let a command's files not grow beyond a size, or no file be made from some moment on."""
    task = _choose(ground, rng, folder)
    if rng.random() < 0.5:
        prepare: Prepare = partial(_limit_files, int(MAX_FILE_BYTES ** rng.random()))
    else:
        prepare = partial(_at_event, folder, rng.randrange(MAX_FILE_EVENTS), _no_space)
    outcome = ground.run(folder, task[1], prepare)
    return [*_fault("full disk", outcome), *_finish(ground, folder, task)]


def write_twice(ground: Ground, rng: random.Random, folder: Path) -> list[str]:
    """Let two processes write one run at almost the same time."""
    task = _choose(ground, rng, folder)
    one = ground.start(folder, task[1])
    time.sleep(rng.uniform(0, 1) ** 3)
    other = ground.start(folder, task[1])
    outcomes = [one.wait(), other.wait()]
    faults = [fault for outcome in outcomes for fault in _fault("pair", outcome)]
    if not any(outcome.code == 0 for outcome in outcomes):
        faults.append("pair: none of two did it")
    return [*faults, *_finish(ground, folder, task)]


def _choose(ground: Ground, rng: random.Random, folder: Path) -> Task:
    """Choose a whole run, the rest of one, or a training."""
    kind = rng.randrange(3)
    if kind == 0:
        run = folder / "tiny" / "run"
        return run, run_words(folder, "run"), ["resume", run], False
    run = ground.unfinished(folder) if kind == 1 else ground.copy(folder)
    if kind == 1:
        return run, ["resume", run], ["resume", run], False
    for name in ("metrics.json", "model.safetensors"):
        (run / "retrain" / "1-1-1-1-seed0" / name).unlink()
    return run, retrain_words(run), retrain_words(run), True


def _finish(ground: Ground, folder: Path, task: Task) -> list[str]:
    """Finish a task, and compare with what comes of it undisturbed."""
    run, first, later, is_training = task
    begun = is_training or (run / "trials.jsonl").is_file()
    outcome = ground.run(folder, later if begun else first)
    faults = _fault("afterwards", outcome)
    if outcome.code:
        faults.append(f"afterwards: exit code {outcome.code}: {outcome.output.strip()[-200:]}")
    elif is_training and accuracy(run) != accuracy(ground.finished):
        faults.append("another accuracy")
    elif not is_training and history(run) != history(ground.finished):
        faults.append("another history")
    return faults


def _after_kill(outcome: Outcome) -> list[str]:
    return [] if outcome.code == -signal.SIGKILL else _fault("before the kill", outcome)


def _fault(when: str, outcome: Outcome) -> list[str]:
    return [f"{when}: {fault}"] if (fault := outcome.fault()) else []


def _limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _at_event(folder: Path, number: int, act: Callable[[], None]) -> None:
    """Act from the given event on, of those that change a file below a folder."""
    left = number

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal left
        if not _changes(event, args, str(folder)):
            return
        left -= 1
        if left < 0:
            act()

    sys.addaudithook(hook)


def _changes(event: str, args: tuple[Any, ...], folder: str) -> bool:
    if event == "open":
        path, _, flags = args
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
        return bool(writes) and str(path).startswith(folder)
    return event in FILE_EVENTS and str(args[0]).startswith(folder)


def _kill_this() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _no_space() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
