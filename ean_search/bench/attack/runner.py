"""Run attacks by their kinds, keep a log of them, and count what they found."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ean_search.bench.attack.faults import (
    fill_disk,
    kill_at_a_file,
    kill_at_a_moment,
    write_twice,
)
from ean_search.bench.attack.ground import Ground
from ean_search.bench.attack.images import hostile_image
from ean_search.bench.attack.inputs import (
    wrong_experiment,
    wrong_file,
    wrong_training,
    wrong_words,
)
from ean_search.bench.attack.process import Main
from ean_search.utils.jsonl import append_row, read_rows
from ean_search.utils.locks import only_writer
from ean_search.utils.progress import Progress, silent

Attack = Callable[[Ground, random.Random, Path], list[str]]
ATTACKS: dict[str, Attack] = {
    "wrong words": wrong_words,
    "wrong experiments": wrong_experiment,
    "wrong files": wrong_file,
    "wrong trainings": wrong_training,
    "hostile images": hostile_image,
    "kills at a moment": kill_at_a_moment,
    "kills at a file": kill_at_a_file,
    "full disks": fill_disk,
    "pairs of writers": write_twice,
}
LOG_NAME = "attack.jsonl"


def bench_attack(
    main: Main,
    root: Path,
    counts: dict[str, int],
    seed: int = 0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Attack the commands; what is in the folder's log is not done again.

    Args:
        main: Runs a command; returns its exit code.
        root: A folder for everything that the attacks need; made or continued.
        counts: Attacks of each kind, by the names of `ATTACKS`.
        seed: Attack k of a kind depends on this and k alone.
        progress: Receives the number of attacks done.

    Returns:
        One row per kind: attacks, those that found a fault, and the first such fault.
    """
    ground = Ground(main, root)
    root.mkdir(parents=True, exist_ok=True)
    with only_writer(root / ".lock", str(root)):
        import_all()
        ground.prepare()
        log = root / LOG_NAME
        done = {(row["kind"], row["seed"], row["number"]): row["faults"] for row in read_rows(log)}
        todo = [(kind, k) for kind, count in counts.items() for k in range(count)]
        for index, (kind, k) in enumerate(todo):
            progress("attack", index, len(todo), kind)
            if (kind, seed, k) not in done:
                faults = _attack(ground, kind, seed, k)
                append_row(log, {"kind": kind, "seed": seed, "number": k, "faults": faults})
                done[kind, seed, k] = faults
        progress("attack", len(todo), len(todo))
    return _count(counts, done, seed)


def import_all() -> None:
    """Import what commands import, so that forked processes need not."""
    import timm  # noqa: F401

    import ean_search.analysis.html_report
    import ean_search.retrain.export
    import ean_search.retrain.grad_cam
    import ean_search.runs.pipeline  # noqa: F401


def _attack(ground: Ground, kind: str, seed: int, number: int) -> list[str]:
    """Attack in a folder of its own, which stays if a fault was found."""
    name = f"{kind.replace(' ', '-')}-{seed}-{number}"
    folder = ground.root / name
    _remove(ground.root, name)
    faults = ATTACKS[kind](ground, random.Random(f"{kind} {seed} {number}"), folder)
    if not faults:
        _remove(ground.root, name)
    return faults


def _remove(root: Path, name: str) -> None:
    shutil.rmtree(root / name, ignore_errors=True)
    for output in root.glob(f"{name}.*.txt"):
        output.unlink()


def _count(
    counts: dict[str, int], done: dict[tuple[str, int, int], list[str]], seed: int
) -> pd.DataFrame:
    rows = []
    for kind, count in counts.items():
        found = [faults for k in range(count) if (faults := done[kind, seed, k])]
        first = found[0][0] if found else ""
        rows.append(
            {"attack": kind, "seed": seed, "count": count, "faults": len(found), "first": first}
        )
    return pd.DataFrame(rows)
