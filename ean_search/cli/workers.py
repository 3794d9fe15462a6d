"""The flags that say where the work of a run is done."""

import argparse

from ean_search.distributed.config import Workers
from ean_search.utils.errors import UserError

# Flag: field of Workers, type, help.
FLAGS: dict[str, tuple[str, type, str]] = {
    "--workers": ("count", int, "Ray workers; without, all is done in this process"),
    "--gpus-per-worker": ("gpus", float, "such as 0.25 for four workers on one GPU"),
    "--cpus-per-worker": ("cpus", float, "CPUs, and torch threads, of a worker"),
    "--max-failures": ("max_failures", int, "times that a trial whose worker died starts again"),
    "--address": ("address", str, "Ray cluster to join: auto or HOST:PORT"),
    "--listen": ("listen", bool, "let other machines reach the Ray that is started here"),
    "--storage-path": ("storage", str, "folder or URL for Ray's files; the run's folder if none"),
}


def add_workers_flags(parser: argparse.ArgumentParser) -> None:
    """Describe the flags, as a group of their own."""
    group = parser.add_argument_group("where the work is done (changes nothing of what is found)")
    for flag, (_, kind, text) in FLAGS.items():
        if kind is bool:
            group.add_argument(flag, action="store_true", default=None, help=text)
        else:
            group.add_argument(flag, type=kind, help=text)


def read_workers(args: argparse.Namespace) -> Workers | None:
    """Read the workers that were asked for."""
    from ean_search.utils.config import parse_fields

    given = {
        field: value
        for flag, (field, _, _) in FLAGS.items()
        if (value := getattr(args, flag.strip("-").replace("-", "_"))) is not None
    }
    if given and "count" not in given:
        raise UserError("expected --workers N beside other flags about workers")
    return parse_fields(Workers, given, "workers") if given else None


def flags_of(workers: Workers | None) -> str:
    """Write workers as the flags that ask for them."""
    given = {} if workers is None else workers.model_dump(exclude_unset=True)
    values = {
        f: "" if kind is bool else f" {given[f]}" for f, kind, _ in FLAGS.values() if f in given
    }
    return "".join(f" {flag}{values[f]}" for flag, (f, _, _) in FLAGS.items() if f in values)
