"""The `bench attack` command: wrong inputs, kills, full disks and more, and what they find."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ean_search.cli.flags import positive, save_and_print
from ean_search.utils.errors import UserError, unknown_name

# Those of a whole attack; some hours.
COUNTS = {
    "wrong words": 800,
    "wrong experiments": 400,
    "wrong files": 500,
    "wrong trainings": 300,
    "hostile images": 20,
    "kills at a moment": 50,
    "kills at a file": 50,
    "full disks": 50,
    "pairs of writers": 100,
}


def add_attack_parser(kinds: Any, main: Callable[[Sequence[str]], int]) -> None:
    """Describe `ean-search bench attack`, which attacks the commands of `main`."""
    attack = kinds.add_parser("attack", help="wrong inputs, kills, full disks: what breaks")
    known = f"of {', '.join(COUNTS)}; all by default, in the numbers of results/attack.csv"
    attack.add_argument("--kinds", nargs="+", metavar="KIND[:N]", default=list(COUNTS), help=known)
    attack.add_argument("--seed", type=positive, default=1)
    attack.add_argument("--work", type=Path, required=True, help="folder for what is attacked")
    attack.add_argument("--output", type=Path, default=Path("results"), help="folder for files")
    attack.set_defaults(command=lambda args: _attack(args, main))


def _attack(args: argparse.Namespace, main: Callable[[Sequence[str]], int]) -> None:
    from ean_search.bench.attack.runner import bench_attack
    from ean_search.cli.progress import show_progress

    counts = dict(map(_read_kind, args.kinds))
    with show_progress() as progress:
        frame = bench_attack(main, args.work.resolve(), counts, args.seed, progress)
    save_and_print(frame, args.output / "attack.csv")


def _read_kind(text: str) -> tuple[str, int]:
    name, colon, count = text.partition(":")
    if name not in COUNTS:
        raise unknown_name("kind of attack", name, COUNTS)
    if colon and not count.isdecimal():
        raise UserError(f"expected {name}:NUMBER, got {text!r}")
    return name, int(count) if colon else COUNTS[name]
