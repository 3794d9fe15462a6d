"""Damages files in the ways in which files are damaged: by hand, by disks, and by strangers."""

import json
import random
import re
from collections.abc import Callable

WORDS = (
    "null", "true", "-1", "0", "3", "1e400", ".nan", "NaN", "Infinity", "1" * 5000, '""', "[]",
    "{}", "x:y", "../x", "\x00", "é\u2028", "&a", "*a", "!!python/object:os.system",
    '"' + "z" * 3000 + '"',
)  # fmt: skip
TOKEN = re.compile(rb'"[^"\n]*"|[-\w.]+')


def flip(data: bytes, rng: random.Random) -> bytes:
    """Flip one bit."""
    if not data:
        return b"\x01"
    where = rng.randrange(len(data))
    return data[:where] + bytes([data[where] ^ 1 << rng.randrange(8)]) + data[where + 1 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    """Lose the end."""
    return data[: rng.randrange(len(data) + 1)]


def remove(data: bytes, rng: random.Random) -> bytes:
    """Lose a piece."""
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.randrange(40) :]


def repeat(data: bytes, rng: random.Random) -> bytes:
    """Have a line twice."""
    lines = data.splitlines(keepends=True) or [b""]
    where = rng.randrange(len(lines))
    return b"".join([*lines[: where + 1], *lines[where:]])


def swap_token(data: bytes, rng: random.Random) -> bytes:
    """Put another word in the place of a word."""
    tokens = list(TOKEN.finditer(data))
    if not tokens:
        return rng.choice(WORDS).encode()
    token = rng.choice(tokens)
    return data[: token.start()] + rng.choice(WORDS).encode() + data[token.end() :]


def change_value(data: bytes, rng: random.Random) -> bytes:
    """Put another value at any place of the first line that is JSON."""
    lines = data.splitlines(keepends=True)
    number = rng.randrange(len(lines)) if lines else 0
    whole = False
    try:
        value = json.loads(data)
        whole = True
    except ValueError:
        try:
            value = json.loads(lines[number])
        except (ValueError, IndexError):
            return swap_token(data, rng)
    changed = json.dumps(_change(value, rng)).encode()
    return changed if whole else b"".join([*lines[:number], changed + b"\n", *lines[number + 1 :]])


def _change(value: object, rng: random.Random) -> object:
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        if rng.random() < 0.15:
            return {k: v for k, v in value.items() if k != key}
        return value | {key: _change(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        where = rng.randrange(len(value))
        return [*value[:where], _change(value[where], rng), *value[where + 1 :]]
    numbers = [-1, 0, 2, 1e308, float("inf"), float("nan"), 10**400]
    others: list[object] = [
        None,
        True,
        "",
        "x:y",
        [],
        {},
        [[]],
        {"a": 1},
        "z" * 3000,
        "../../x",
        "\x00",
    ]
    return rng.choice([*numbers, *others])


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip, cut, remove, repeat, swap_token, change_value, change_value, change_value,
)  # fmt: skip


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Damage the content of a file once."""
    return rng.choice(MUTATIONS)(data, rng)
